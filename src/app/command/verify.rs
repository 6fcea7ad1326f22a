//! `verify-history`: whether what stands in the database is what was written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::domain::history::{Hash, Head, verify as verify_chain};
use crate::domain::id::RefundId;
use crate::store::{Chain, Store, TimeSource};
use crate::telemetry::head_of_line;

use super::super::{Error, open_store};
use super::say;

/// Refunds read at once.
const PAGE_SIZE: u64 = 500;

/// What was looked at.
#[derive(Debug, Default)]
struct Sum {
    refunds: u64,
    entries: u64,
    /// Accepted before histories were chained.
    unchained: u64,
    faults: u64,
}

/// Checks every refund's history, and that it holds each head that some logs tell.
pub(super) async fn verify(config: &Config, logs: &[PathBuf]) -> Result<(), Error> {
    let mut told = BTreeMap::new();
    for log in logs {
        read_heads(log, &mut told)?;
    }
    let store = open_store(config, TimeSource::Database).await?;
    store.ready().await?;
    let (mut sum, mut after) = (Sum::default(), None);
    loop {
        let chains = store.chains(after, PAGE_SIZE).await?;
        let Some(last) = chains.last() else { break };
        after = Some(last.refund.id);
        for chain in &chains {
            let heads = told.remove(&chain.refund.id).unwrap_or_default();
            for fault in sum.look_at(chain, &heads) {
                say(&format!("{}: {fault}", chain.refund.id))?;
            }
        }
    }
    for id in told.keys() {
        sum.faults += 1;
        say(&format!("{id}: the log tells of it, the database has no such refund"))?;
    }
    say(&format!(
        "{} refunds, {} entries, {} accepted before histories were chained, {} faults",
        sum.refunds, sum.entries, sum.unchained, sum.faults
    ))?;
    if sum.faults == 0 { Ok(()) } else { Err(Error::History { faults: sum.faults }) }
}

impl Sum {
    /// The faults of a refund.
    fn look_at(&mut self, chain: &Chain, told: &[Head]) -> Vec<String> {
        let (refund, mut faults) = (&chain.refund, Vec::new());
        self.refunds += 1;
        self.entries += u64::try_from(chain.entries.len()).unwrap_or(u64::MAX);
        let heads = match verify_chain(refund.id, chain.links(), refund.history) {
            Ok(heads) => heads,
            Err(fault) => {
                faults.push(fault.to_string());
                Vec::new()
            }
        };
        match chain.history() {
            Err(error) => faults.push(error.to_string()),
            Ok(history) => match history.events.last() {
                None => self.unchained += 1,
                Some(last) if last.state == refund.state.kind() && last.sequence == refund.sequence => {}
                Some(last) => faults.push(format!(
                    "the last state in the history is {} at sequence {}, the refund is {} at {}",
                    last.state,
                    last.sequence,
                    refund.state.kind(),
                    refund.sequence
                )),
            },
        }
        if faults.is_empty() {
            let missing = told.iter().filter(|head| head.number > 0 && !heads.contains(head));
            faults.extend(missing.map(|head| {
                format!(
                    "a log tells of entry {} with the hash {}: the history has no such",
                    head.number, head.hash
                )
            }));
        }
        self.faults += u64::try_from(faults.len()).unwrap_or(u64::MAX);
        faults
    }
}

/// Reads the heads that a log tells, by refund.
fn read_heads(path: &Path, told: &mut BTreeMap<RefundId, Vec<Head>>) -> Result<(), Error> {
    let unreadable = |source| Error::Io { what: format!("cannot read {}", path.display()), source };
    for line in BufReader::new(File::open(path).map_err(unreadable)?).lines() {
        let Some((id, number, hash)) = head_of_line(&line.map_err(unreadable)?) else { continue };
        if let (Ok(id), Some(hash)) = (RefundId::parse(&id), Hash::parse(&hash)) {
            told.entry(id).or_default().push(Head { number, hash });
        }
    }
    Ok(())
}
