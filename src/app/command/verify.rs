//! `verify-history`: whether what stands in the database is what was written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::domain::event::Event;
use crate::domain::history::{ChainFault, Hash, Head, verify as verify_chain};
use crate::domain::id::RefundId;
use crate::store::{Chain, Store, TimeSource};
use crate::telemetry::head_of_line;

use super::super::{Error, open_store};
use super::say;

/// Refunds read at once.
const PAGE_SIZE: u64 = 500;
/// How often what looks wrong is read again.
const READS_AGAIN: u32 = 3;

/// Checks every refund's history, and that it holds each head that some logs tell.
pub(super) async fn verify(config: &Config, logs: &[PathBuf]) -> Result<(), Error> {
    let mut told: BTreeMap<RefundId, Vec<Head>> = BTreeMap::new();
    for log in logs {
        read_heads(log, &mut told)?;
    }
    let store = open_store(config, TimeSource::Database).await?;
    store.ready().await?;
    let (mut refunds, mut entries, mut unchained, mut faults) = (0_u64, 0_usize, 0_u64, 0_u64);
    let mut after = None;
    loop {
        let chains = store.chains(after, PAGE_SIZE).await?;
        if chains.is_empty() {
            break;
        }
        for chain in chains {
            let id = chain.refund.id;
            let heads = told.remove(&id).unwrap_or_default();
            refunds += 1;
            entries += chain.entries.len();
            unchained += u64::from(chain.entries.is_empty());
            for fault in faults_of_stored(&store, after, chain, &heads).await? {
                faults += 1;
                say(&format!("{id}: {fault}"))?;
            }
            after = Some(id);
        }
    }
    for id in told.keys() {
        faults += 1;
        say(&format!("{id}: a log tells of it, the database has no such refund"))?;
    }
    let looked_at = format!("{refunds} refunds, {entries} entries");
    say(&format!("{looked_at}, {unchained} accepted before histories were chained, {faults} faults"))?;
    if faults == 0 { Ok(()) } else { Err(Error::History { faults }) }
}

/// The faults of a chain that was read after that refund. A step may have come between the reads of the
/// refund and of its entries: what looks wrong is read again before it is told.
async fn faults_of_stored(
    store: &impl Store,
    after: Option<RefundId>,
    mut chain: Chain,
    told: &[Head],
) -> Result<Vec<String>, Error> {
    let mut faults = faults_of(&chain, told);
    for _ in 0..READS_AGAIN {
        if faults.is_empty() {
            break;
        }
        if let Some(again) = store.chains(after, 1).await?.pop() {
            chain = again;
        }
        faults = faults_of(&chain, told);
    }
    Ok(faults)
}

/// What is wrong with a chain.
fn faults_of(chain: &Chain, told: &[Head]) -> Vec<String> {
    let refund = &chain.refund;
    let heads = match verify_chain(refund.id, chain.links(), refund.history) {
        Ok(heads) => heads,
        Err(fault) => return vec![fault.to_string()],
    };
    let mut faults = Vec::new();
    match chain.history() {
        Err(error) => faults.push(error.to_string()),
        Ok(history) => {
            let (state, sequence) = (refund.state.kind(), refund.sequence);
            let last = history.events.last();
            if let Some(last) = last.filter(|last| (last.state, last.sequence) != (state, sequence)) {
                let Event { state: told, sequence: told_at, .. } = *last;
                let fault = ChainFault::State { told, told_at, stands: state, stands_at: sequence };
                faults.push(fault.to_string());
            }
        }
    }
    let missing = told.iter().filter(|head| head.number > 0 && !heads.contains(head));
    faults.extend(missing.map(|Head { number, hash }| {
        format!("a log tells of entry {number} with the hash {hash}: the history has no such")
    }));
    faults
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
