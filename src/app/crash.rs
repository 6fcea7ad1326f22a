//! Crash points: the process kills or stops itself at a named point, so that a test can look at what is left
//! and at what it does when it wakes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::config::testing::Testing;
use crate::service::{Interrupt, Point, Uninterrupted};

use super::Error;

/// How long the system may take to stop every thread.
const STOPS_WITHIN: Duration = Duration::from_millis(50);

/// What happens at the points that the configuration names.
struct Crash {
    kill: Option<Trap>,
    stop: Option<Trap>,
}

/// Springs when its point is passed for the `left`th time.
struct Trap {
    point: Point,
    left: AtomicU32,
}

impl Trap {
    fn springs(&self, point: Point) -> bool {
        point == self.point && self.left.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

impl Interrupt for Crash {
    fn at(&self, point: Point) {
        if self.kill.as_ref().is_some_and(|trap| trap.springs(point)) {
            // Nothing is flushed and nothing is closed: as if the machine had taken it.
            send(Signal::KILL);
            loop {
                std::thread::park();
            }
        }
        if self.stop.as_ref().is_some_and(|trap| trap.springs(point)) {
            // Told in the span of the work that stops, so that a test knows which it was.
            tracing::warn!(point = point.name(), "stops at a crash point");
            send(Signal::STOP);
            // Another thread may take the signal: this one must not get ahead of it.
            std::thread::sleep(STOPS_WITHIN);
        }
    }
}

fn send(signal: Signal) {
    let _sent = rustix::process::kill_process(rustix::process::getpid(), signal);
}

/// What the configuration asks for.
pub(super) fn interrupt(testing: &Testing) -> Result<Arc<dyn Interrupt>, Error> {
    let kill = trap("kill_at", testing.kill_at.as_deref(), testing.kill_after_hits)?;
    let stop = trap("stop_at", testing.stop_at.as_deref(), testing.stop_after_hits)?;
    if kill.is_none() && stop.is_none() {
        return Ok(Arc::new(Uninterrupted));
    }
    Ok(Arc::new(Crash { kill, stop }))
}

fn trap(key: &str, name: Option<&str>, hits: u32) -> Result<Option<Trap>, Error> {
    let Some(name) = name else { return Ok(None) };
    let Some(point) = Point::ALL.iter().copied().find(|point| point.name() == name) else {
        let names: Vec<_> = Point::ALL.iter().map(|point| point.name()).collect();
        let rule = format!("must be one of {}", names.join(", "));
        return Err(Error::Setting { key: format!("testing.{key}"), rule });
    };
    Ok(Some(Trap { point, left: AtomicU32::new(hits) }))
}
