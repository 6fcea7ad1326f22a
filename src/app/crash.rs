//! Crash points: the process ends itself by SIGKILL at a named point, so that a test can look at what is
//! left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::testing::Testing;
use crate::service::{Interrupt, Point, Uninterrupted};

use super::Error;

/// Ends the process when the point is passed for the `left`th time.
struct Crash {
    point: Point,
    left: AtomicU32,
}

impl Interrupt for Crash {
    fn at(&self, point: Point) {
        if point == self.point && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let me = rustix::process::getpid();
            // Nothing is flushed and nothing is closed: as if the machine had taken it.
            let _sent = rustix::process::kill_process(me, rustix::process::Signal::KILL);
            loop {
                std::thread::park();
            }
        }
    }
}

/// What the configuration asks for.
pub(super) fn interrupt(testing: &Testing) -> Result<Arc<dyn Interrupt>, Error> {
    let Some(name) = &testing.kill_at else { return Ok(Arc::new(Uninterrupted)) };
    let Some(point) = Point::ALL.iter().copied().find(|point| point.name() == name) else {
        let names: Vec<_> = Point::ALL.iter().map(|point| point.name()).collect();
        let rule = format!("must be one of {}", names.join(", "));
        return Err(Error::Setting { key: "testing.kill_at".to_owned(), rule });
    };
    Ok(Arc::new(Crash { point, left: AtomicU32::new(testing.kill_after_hits) }))
}
