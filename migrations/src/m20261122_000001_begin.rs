//! The beginning: refunds, their keys, guards, attempts, events, and what replicas share of accounts and
//! budgets.

use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::dialect;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261122_000001_begin"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, &[REFUNDS]).await?;
        dialect::run(manager, REFUND_INDEXES).await?;
        dialect::run(manager, &[IDEMPOTENCY_KEYS, GUARDS, ICCID_CLAIMS]).await?;
        dialect::run(manager, ATTEMPTS).await?;
        dialect::run(manager, EVENTS).await?;
        dialect::run(manager, &[ACCOUNTS, RATE_BUDGETS]).await
    }
}

/// `planned_us` is when the domain wants the refund looked at; `due_us` is when somebody may take it: the
/// same, or the end of its lease. So a lease that ran out is due by itself.
const REFUNDS: &str = "
CREATE TABLE refunds (
    id {uuid} NOT NULL PRIMARY KEY,
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,

    account TEXT NOT NULL,
    provider TEXT NOT NULL,
    merchant TEXT NOT NULL,
    base_url TEXT NOT NULL,
    provider_key {uuid} NOT NULL,

    order_key TEXT,
    order_id TEXT,
    transaction_id TEXT,
    currency TEXT,
    amount_minor {int} CHECK (amount_minor > 0),
    iccids {json},
    reason TEXT NOT NULL,
    provider_reason TEXT,
    notes TEXT,
    email TEXT,
    metadata {json} NOT NULL,
    purchased_us {int},
    captured_currency TEXT,
    captured_minor {int} CHECK (captured_minor >= 0),
    expected_currency TEXT,
    expected_minor {int} CHECK (expected_minor >= 0),
    not_before_us {int},
    asked_send_before_us {int},
    retry_of {uuid},
    trace_parent TEXT,
    trace_state TEXT,

    send_before_us {int} NOT NULL,
    created_us {int} NOT NULL,
    updated_us {int} NOT NULL CHECK (updated_us >= created_us),
    sequence {int} NOT NULL CHECK (sequence >= 1),
    sends {int} NOT NULL CHECK (sends >= 0),
    idle_steps {int} NOT NULL CHECK (idle_steps >= 0),
    baseline {json},
    items {json},
    alone {bool} NOT NULL,
    planned_us {int},
    overdue_us {int},

    state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'unknown', 'in_review', 'succeeded',
        'partially_succeeded', 'failed', 'canceled', 'reversed')),
    wait TEXT,
    attempt_id {uuid},
    sending_us {int},
    first_sent_us {int},
    checks {int} CHECK (checks >= 0),
    refusal_reason TEXT,
    refusal_code TEXT,
    refusal_text TEXT,
    refusal_us {int},
    review_reference TEXT,
    success_minor {int} CHECK (success_minor >= 0),
    provider_refund_id TEXT,
    completed_us {int},
    failure_reason TEXT,
    failure_code TEXT,
    failure_text TEXT,

    due_us {int},
    lease_worker TEXT,
    lease_token {int} NOT NULL CHECK (lease_token >= 0),
    lease_length_us {int} CHECK (lease_length_us > 0),

    CONSTRAINT refunds_provider_key UNIQUE (provider, merchant, provider_key),
    CONSTRAINT refunds_target_is_one CHECK ((order_id IS NULL) <> (iccids IS NULL)),
    CONSTRAINT refunds_payment_is_whole CHECK ((order_id IS NULL) = (amount_minor IS NULL)
        AND (order_id IS NULL) = (currency IS NULL) AND (order_id IS NULL) = (order_key IS NULL)
        AND (order_id IS NOT NULL OR transaction_id IS NULL)),
    CONSTRAINT refunds_captured_is_whole CHECK ((captured_currency IS NULL) = (captured_minor IS NULL)),
    CONSTRAINT refunds_expected_is_whole CHECK ((expected_currency IS NULL) = (expected_minor IS NULL)),
    CONSTRAINT refunds_trace_is_whole CHECK (trace_parent IS NOT NULL OR trace_state IS NULL),
    CONSTRAINT refunds_final_has_no_clock CHECK (
        (due_us IS NULL) = (state IN ('succeeded', 'partially_succeeded', 'failed', 'canceled', 'reversed'))
        AND (due_us IS NULL) = (planned_us IS NULL) AND (due_us IS NULL) = (overdue_us IS NULL)),
    CONSTRAINT refunds_wait_is_of_state CHECK ((wait IS NOT NULL) = (state IN ('pending', 'unknown'))),
    CONSTRAINT refunds_attempt_is_of_state CHECK ((attempt_id IS NOT NULL) = (state = 'sending')
        AND (sending_us IS NOT NULL) = (state = 'sending')),
    CONSTRAINT refunds_doubt_is_of_state CHECK (
        (first_sent_us IS NULL OR state IN ('sending', 'unknown', 'in_review'))
        AND (first_sent_us IS NOT NULL OR state NOT IN ('unknown', 'in_review'))
        AND (first_sent_us IS NULL) = (checks IS NULL)),
    CONSTRAINT refunds_refusal_is_whole CHECK ((refusal_reason IS NULL) = (refusal_us IS NULL)
        AND (refusal_reason IS NULL OR first_sent_us IS NOT NULL)
        AND (refusal_reason IS NOT NULL OR (refusal_code IS NULL AND refusal_text IS NULL))),
    CONSTRAINT refunds_review_is_of_state CHECK (review_reference IS NULL OR state = 'in_review'),
    CONSTRAINT refunds_success_is_of_state CHECK (state IN ('succeeded', 'partially_succeeded', 'reversed')
        OR (success_minor IS NULL AND provider_refund_id IS NULL AND completed_us IS NULL)),
    CONSTRAINT refunds_part_is_less CHECK (state <> 'partially_succeeded'
        OR amount_minor IS NULL OR (success_minor IS NOT NULL AND success_minor < amount_minor)),
    CONSTRAINT refunds_failure_is_of_state CHECK ((failure_reason IS NOT NULL) = (state = 'failed')
        AND (failure_reason IS NOT NULL OR (failure_code IS NULL AND failure_text IS NULL))),
    CONSTRAINT refunds_sent_was_counted CHECK (sends >= 1 OR first_sent_us IS NULL AND sending_us IS NULL),
    CONSTRAINT refunds_lease_is_whole CHECK ((lease_worker IS NULL) = (lease_length_us IS NULL)
        AND (lease_worker IS NULL OR due_us IS NOT NULL))
) {strict}";

/// Partial, so that they hold open refunds only and stay as small as the work that is open.
const REFUND_INDEXES: &[&str] = &[
    "CREATE INDEX refunds_due ON refunds (account, due_us) WHERE due_us IS NOT NULL",
    "CREATE INDEX refunds_started_due ON refunds (account, due_us)
     WHERE due_us IS NOT NULL AND state <> 'pending'",
    "CREATE INDEX refunds_sending_due ON refunds (due_us) WHERE state = 'sending'",
    "CREATE INDEX refunds_send_before ON refunds (send_before_us) WHERE state = 'pending'",
    "CREATE INDEX refunds_order ON refunds (provider, merchant, order_key) WHERE order_key IS NOT NULL",
    "CREATE INDEX refunds_order_waiting ON refunds (provider, merchant, order_key)
     WHERE order_key IS NOT NULL AND wait = 'order'",
];

const IDEMPOTENCY_KEYS: &str = "
CREATE TABLE idempotency_keys (
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    refund_id {uuid} NOT NULL UNIQUE REFERENCES refunds (id),
    PRIMARY KEY (caller, request_id)
) {strict}";

const GUARDS: &str = "
CREATE TABLE guards (
    provider TEXT NOT NULL,
    merchant TEXT NOT NULL,
    order_key TEXT NOT NULL,
    currency TEXT NOT NULL,
    captured_minor {int} CHECK (captured_minor >= 0),
    confirmed {bool} NOT NULL,
    external_minor {int} NOT NULL CHECK (external_minor >= 0),
    own_minor {int} NOT NULL CHECK (own_minor >= 0),
    PRIMARY KEY (provider, merchant, order_key)
) {strict}";

/// One claim per eSIM of a company: its key is the law that no two living refunds hold one eSIM.
const ICCID_CLAIMS: &str = "
CREATE TABLE iccid_claims (
    provider TEXT NOT NULL,
    merchant TEXT NOT NULL,
    iccid TEXT NOT NULL,
    refund_id {uuid} NOT NULL REFERENCES refunds (id),
    PRIMARY KEY (provider, merchant, iccid)
) {strict}";

const ATTEMPTS: &[&str] = &[
    "
CREATE TABLE attempts (
    id {uuid} NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('send', 'resend', 'preflight', 'lookup', 'restore')),
    account TEXT NOT NULL,
    started_us {int} NOT NULL,
    trace_id TEXT,
    preflight TEXT,
    ended_us {int},
    took_us {int} CHECK (took_us >= 0),
    outcome TEXT,
    phase TEXT,
    http_status {int} CHECK (http_status BETWEEN 0 AND 65535),
    provider_code TEXT,
    provider_text TEXT,
    correlation_id TEXT,
    late {bool} NOT NULL,
    CONSTRAINT attempts_end_is_whole CHECK ((ended_us IS NULL) = (outcome IS NULL)
        AND (ended_us IS NULL) = (took_us IS NULL)
        AND (ended_us IS NOT NULL OR (phase IS NULL AND http_status IS NULL AND provider_code IS NULL
            AND provider_text IS NULL AND correlation_id IS NULL)))
) {strict}",
    "
CREATE TABLE attempt_members (
    attempt_id {uuid} NOT NULL REFERENCES attempts (id),
    refund_id {uuid} NOT NULL REFERENCES refunds (id),
    PRIMARY KEY (attempt_id, refund_id)
) {strict}",
    "CREATE INDEX attempt_members_refund ON attempt_members (refund_id)",
];

/// Positions are given after commit from the one row of `event_positions`, whose lock is the turn to give
/// them. It outlives the events, so that no position comes twice when old events are dropped.
const EVENTS: &[&str] = &[
    "
CREATE TABLE events (
    id {auto},
    refund_id {uuid} NOT NULL REFERENCES refunds (id),
    sequence {int} NOT NULL CHECK (sequence >= 1),
    position {int} CHECK (position >= 1),
    previous TEXT,
    state TEXT NOT NULL,
    failure_reason TEXT,
    failure_code TEXT,
    failure_text TEXT,
    success_minor {int},
    provider_refund_id TEXT,
    completed_us {int},
    note TEXT,
    actor TEXT NOT NULL,
    trace_id TEXT,
    time_us {int} NOT NULL,
    CONSTRAINT events_sequence UNIQUE (refund_id, sequence),
    CONSTRAINT events_first_has_no_previous CHECK ((previous IS NULL) = (sequence = 1))
) {strict}",
    "CREATE UNIQUE INDEX events_position ON events (position) WHERE position IS NOT NULL",
    "CREATE INDEX events_to_be_placed ON events (id) WHERE position IS NULL",
    "
CREATE TABLE event_positions (
    id {int} NOT NULL PRIMARY KEY CHECK (id = 1),
    last_position {int} NOT NULL CHECK (last_position >= 0)
) {strict}",
    "INSERT INTO event_positions (id, last_position) VALUES (1, 0)",
];

const ACCOUNTS: &str = "
CREATE TABLE accounts (
    name TEXT NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    merchant TEXT NOT NULL,
    base_url TEXT NOT NULL,
    paused_by TEXT,
    paused_note TEXT,
    paused_until_us {int},
    blocked_cause TEXT,
    blocked_since_us {int},
    probe_at_us {int},
    probes {int},
    failures {int} NOT NULL CHECK (failures >= 0),
    open_until_us {int},
    throttled_until_us {int},
    retry_spent_milli {int} NOT NULL CHECK (retry_spent_milli >= 0),
    retry_reckoned_us {int},
    key_heeded {bool},
    CONSTRAINT accounts_pause_is_whole CHECK ((paused_by IS NULL) = (paused_note IS NULL)
        AND (paused_by IS NOT NULL OR paused_until_us IS NULL)),
    CONSTRAINT accounts_block_is_whole CHECK ((blocked_cause IS NULL) = (blocked_since_us IS NULL)
        AND (blocked_cause IS NULL) = (probe_at_us IS NULL) AND (blocked_cause IS NULL) = (probes IS NULL))
) {strict}";

const RATE_BUDGETS: &str = "
CREATE TABLE rate_budgets (
    bucket TEXT NOT NULL PRIMARY KEY,
    next_free_us {int} NOT NULL
) {strict}";
