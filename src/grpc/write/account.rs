//! Wire out: what an account can do and how it is now.

use crate::domain::account::{Account, Capabilities, KeyProof, MoneyUnit, TargetShape};
use crate::domain::admission::{AccountState, AdmissionPolicy, Block, Pause};
use crate::domain::answer::BlockCause;
use crate::domain::id::AccountName;
use crate::domain::plan::Schedule;
use crate::domain::refund::PENDING_OVERDUE_AFTER;
use crate::service::{Budget, Seen};

use super::{duration, proto, reason, time};

/// An account.
pub(in crate::grpc) fn account(seen: Seen) -> proto::Account {
    let Seen { account, state, standing, sends, lookups } = seen;
    let Account {
        identity,
        capabilities: can,
        concurrency_max,
        queue_max,
        schedule: when,
        admission,
        connect: _,
        answer: _,
        lookup_rate: _,
    } = account;
    let next = |budget: &Option<Budget>| budget.as_ref().and_then(|budget| budget.next_slot).map(time);
    proto::Account {
        name: identity.name.as_str().to_owned(),
        provider: identity.provider.word().to_owned(),
        merchant: identity.merchant,
        capabilities: Some(capabilities(can)),
        schedule: Some(schedule(when)),
        status: Some(proto::AccountStatus {
            next_slot_time: next(&sends),
            next_lookup_slot_time: next(&lookups),
            ..status(state, &admission)
        }),
        limits: Some(proto::AccountLimits {
            concurrency_max: int32(concurrency_max),
            queue_max: int64(queue_max),
            send_rate: sends.map(rate_budget),
            lookup_rate: lookups.map(rate_budget),
        }),
        queue: Some(proto::AccountQueue {
            pending_count: int64(standing.pending),
            oldest_pending_create_time: standing.oldest_pending.map(time),
            sending_count: int64(standing.sending),
            unknown_count: int64(standing.unknown),
            in_review_count: int64(standing.in_review),
            overdue_count: int64(standing.overdue),
        }),
    }
}

fn capabilities(can: Capabilities) -> proto::Capabilities {
    let one_at_a_time = can.one_at_a_time();
    let Capabilities {
        shape,
        key,
        resend_window,
        lookup,
        echoes_key,
        absence_proves_refusal,
        shows_reversals,
        person_reviews,
        partial,
        several_per_order,
        takes_transaction_id,
        batch_max,
        currencies,
        refund_window,
        unit,
        amount_minor_max,
        reasons,
    } = can;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    proto::Capabilities {
        shape: match shape {
            TargetShape::Payment => proto::TargetShape::Payment,
            TargetShape::Esims => proto::TargetShape::Esims,
        }
        .into(),
        partial,
        several_per_order,
        one_at_a_time_per_order: one_at_a_time,
        takes_transaction_id,
        currency_codes: currencies.unwrap_or_default().iter().map(|c| c.code().to_owned()).collect(),
        amount_minor_max: amount_minor_max.unwrap_or(0),
        refund_window: refund_window.map(duration),
        key_proof: match key {
            KeyProof::ByDocuments => proto::KeyProof::ByDocuments,
            KeyProof::OnceEchoed => proto::KeyProof::OnceEchoed,
            KeyProof::WhenConfirmed(true) => proto::KeyProof::Confirmed,
            KeyProof::WhenConfirmed(false) => proto::KeyProof::Unconfirmed,
            KeyProof::Never => proto::KeyProof::Never,
        }
        .into(),
        resend_window: resend_window.map(duration),
        lookup,
        lookup_names_key: echoes_key,
        absence_proves_refusal,
        shows_reversals,
        person_reviews,
        batch_max: int32(batch_max),
        money_unit: match unit {
            MoneyUnit::Major => proto::MoneyUnit::Major,
            MoneyUnit::Minor => proto::MoneyUnit::Minor,
            MoneyUnit::None => proto::MoneyUnit::None,
        }
        .into(),
        provider_reasons: reasons.map(|own| words(own.words)).unwrap_or_default(),
        provider_reason_needs_notes: reasons.map(|own| own.needs_notes.to_owned()).unwrap_or_default(),
        reasons_need_notes: reasons
            .map(|own| own.canonical_need_notes.iter().map(|canonical| reason(*canonical).into()).collect())
            .unwrap_or_default(),
    }
}

fn schedule(schedule: Schedule) -> proto::AccountSchedule {
    proto::AccountSchedule {
        backoff_base: Some(duration(schedule.backoff_base)),
        backoff_max: Some(duration(schedule.backoff_max)),
        first_check: Some(duration(schedule.first_check)),
        checks: schedule.check_steps.into_iter().map(duration).collect(),
        refusal_age_min: Some(duration(schedule.refusal_age_min)),
        pending_overdue_after: Some(duration(PENDING_OVERDUE_AFTER)),
        unknown_overdue_after: Some(duration(schedule.unknown_overdue_after)),
        review_overdue_after: Some(duration(schedule.review_overdue_after)),
        follow_ups: schedule.follow_steps.into_iter().map(duration).collect(),
    }
}

fn status(state: AccountState, policy: &AdmissionPolicy) -> proto::AccountStatus {
    proto::AccountStatus {
        pause: state.paused.map(|Pause { by, note, until }| proto::AccountPause {
            by,
            note,
            until: until.map(time),
        }),
        block: state.blocked.map(|Block { cause, since, probe_at, probes }| proto::AccountBlock {
            cause: block_cause(cause).into(),
            since: Some(time(since)),
            next_probe_time: Some(time(probe_at)),
            probes: int32(probes),
        }),
        breaker: Some(proto::AccountBreaker {
            failures: int32(state.failures),
            failures_max: int32(policy.breaker_failures),
            open_until: state.open_until.map(time),
        }),
        throttled_until: state.throttled_until.map(time),
        key_heeded: match state.key_heeded {
            None => proto::KeyHeed::Unspecified,
            Some(true) => proto::KeyHeed::Heeded,
            Some(false) => proto::KeyHeed::Ignored,
        }
        .into(),
        next_slot_time: None,
        next_lookup_slot_time: None,
    }
}

fn block_cause(cause: BlockCause) -> proto::BlockCause {
    match cause {
        BlockCause::Credentials => proto::BlockCause::Credentials,
        BlockCause::Permission => proto::BlockCause::Permission,
        BlockCause::Configuration => proto::BlockCause::Configuration,
    }
}

fn rate_budget(budget: Budget) -> proto::RateBudget {
    let Budget { rate, next_slot: _, shared, shared_with } = budget;
    proto::RateBudget {
        every: Some(duration(rate.every)),
        shared,
        shared_with: shared_with.iter().map(AccountName::as_str).map(str::to_owned).collect(),
    }
}

fn int32(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

fn int64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
