//! What truly happened: one record per refund that took effect, written to the system before it is answered.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, clock};

/// One refund that took effect at a provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Effect {
    /// Position in the ledger, from 1.
    pub(super) number: u64,
    pub(super) provider: String,
    /// The order; of a call on several eSIMs, their ICCIDs with a comma between them.
    pub(super) order_id: String,
    /// The eSIMs that the refund is for, where the provider refunds eSIMs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) iccids: Vec<String>,
    pub(super) request_id: Option<String>,
    pub(super) merchant_reference: Option<String>,
    pub(super) refund_merchant_reference: Option<String>,
    pub(super) provider_refund_id: String,
    /// The amount as the provider writes it.
    pub(super) amount: String,
    pub(super) amount_minor: i64,
    pub(super) currency: String,
    pub(super) at: String,
    pub(super) at_ms: i64,
    /// Which refund call on the order this was, from 1.
    pub(super) call: u32,
}

impl Effect {
    /// What the refund is for: its eSIMs where it has some, otherwise its order.
    fn subjects(&self) -> &[String] {
        if self.iccids.is_empty() { std::slice::from_ref(&self.order_id) } else { &self.iccids }
    }

    /// Whether the refund is for this order or eSIM.
    pub(super) fn concerns(&self, subject: &str) -> bool {
        self.order_id == subject || self.subjects().iter().any(|own| own == subject)
    }
}

/// One line of the ledger file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// The first line: when this ledger began.
    Opened { at_ms: i64 },
    /// A refund took effect.
    Effect(Effect),
    /// An order was made or changed through the control endpoint.
    Order { provider: String, id: String, data: Value },
    /// A call on an order with a script was answered: `calls` in all, `taken` steps of the script used up.
    Step { provider: String, id: String, calls: u32, taken: usize },
    /// Something without an effect that a provider must know after a restart; `id` is what it is about.
    Record { provider: String, id: String, data: Value },
}

/// The ledger of one sandbox.
#[derive(Debug)]
pub(super) struct Ledger {
    sink: Sink,
    effects: Vec<Effect>,
    by_order: HashMap<String, Vec<usize>>,
    opened_ms: i64,
}

#[derive(Debug)]
enum Sink {
    Memory,
    File(File),
    /// A line may have been written in part: nothing may follow it.
    Broken,
    Stopped,
}

impl Ledger {
    /// Opens the ledger and reads back what it holds; the lines are for the providers to take their part
    /// from.
    pub(super) fn open(path: Option<&Path>, fresh: bool) -> Result<(Self, Vec<Line>), Error> {
        let mut ledger = Self {
            sink: Sink::Memory,
            effects: Vec::new(),
            by_order: HashMap::new(),
            opened_ms: clock::system_ms(),
        };
        let Some(path) = path else {
            return Ok((ledger, Vec::new()));
        };
        let (file, lines) = open_file(path, fresh)?;
        ledger.sink = Sink::File(file);
        if lines.is_empty() {
            ledger.write(&Line::Opened { at_ms: ledger.opened_ms })?;
        }
        for line in &lines {
            match line {
                Line::Opened { at_ms } => ledger.opened_ms = *at_ms,
                Line::Effect(effect) => ledger.remember(effect.clone()),
                Line::Order { .. } | Line::Step { .. } | Line::Record { .. } => {}
            }
        }
        Ok((ledger, lines))
    }

    /// When this ledger began: orders that nobody made are as old as their kind says, counted from here.
    pub(super) fn opened_ms(&self) -> i64 {
        self.opened_ms
    }

    pub(super) fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// The effects on one order, or one eSIM, oldest first.
    pub(super) fn of_order(
        &self,
        provider: &str,
        order_id: &str,
    ) -> impl DoubleEndedIterator<Item = &Effect> {
        let positions =
            self.by_order.get(&order_key(provider, order_id)).map(Vec::as_slice).unwrap_or_default();
        positions.iter().filter_map(|&position| self.effects.get(position))
    }

    /// The number that the next effect will have.
    pub(super) fn next_number(&self) -> u64 {
        u64::try_from(self.effects.len()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Writes an effect down. An effect that could not be written did not take place.
    pub(super) fn commit(&mut self, effect: Effect) -> Result<(), Error> {
        let line = Line::Effect(effect);
        self.write(&line)?;
        if let Line::Effect(effect) = line {
            self.remember(effect);
        }
        Ok(())
    }

    /// Appends a line; in memory there is nothing to do.
    pub(super) fn write(&mut self, line: &Line) -> Result<(), Error> {
        match &mut self.sink {
            Sink::Memory => Ok(()),
            Sink::Stopped => Err(Error::Stopped),
            Sink::Broken => Err(Error::LedgerWrite(io::Error::other("an earlier line could not be written"))),
            Sink::File(file) => {
                let mut text = serde_json::to_vec(line).map_err(|error| Error::LedgerWrite(error.into()))?;
                text.push(b'\n');
                file.write_all(&text).map_err(|error| {
                    self.sink = Sink::Broken;
                    Error::LedgerWrite(error)
                })
            }
        }
    }

    /// Forgets everything, in the file too.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        if let Sink::File(file) = &mut self.sink {
            file.set_len(0).and_then(|()| file.rewind()).map_err(Error::LedgerWrite)?;
        }
        self.effects.clear();
        self.by_order.clear();
        self.opened_ms = clock::system_ms();
        self.write(&Line::Opened { at_ms: self.opened_ms })
    }

    /// Lets go of the file; nothing takes effect from here on.
    pub(super) fn stop(&mut self) {
        self.sink = Sink::Stopped;
    }

    fn remember(&mut self, effect: Effect) {
        for subject in effect.subjects() {
            let positions = self.by_order.entry(order_key(&effect.provider, subject)).or_default();
            if positions.last() != Some(&self.effects.len()) {
                positions.push(self.effects.len());
            }
        }
        self.effects.push(effect);
    }
}

fn order_key(provider: &str, order_id: &str) -> String {
    format!("{provider}/{order_id}")
}

fn open_file(path: &Path, fresh: bool) -> Result<(File, Vec<Line>), Error> {
    let failed = |source| Error::LedgerOpen { path: PathBuf::from(path), source };
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Error::LedgerInUse { path: PathBuf::from(path) });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let mut text = Vec::new();
    if !fresh {
        file.read_to_end(&mut text).map_err(failed)?;
    }
    // A line cut short by a kill was never answered: it is as if it had not been written.
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    text.truncate(whole);
    file.set_len(u64::try_from(whole).unwrap_or(u64::MAX)).map_err(failed)?;
    file.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut lines = Vec::new();
    for (index, line) in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let line = serde_json::from_slice(line).map_err(|source| Error::LedgerLine {
            path: PathBuf::from(path),
            line: index + 1,
            source,
        })?;
        lines.push(line);
    }
    Ok((file, lines))
}
