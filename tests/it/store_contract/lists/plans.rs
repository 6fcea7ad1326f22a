//! How a database goes about lists when there are millions of refunds, few of which are open.

use refunds::domain::query::{Place, Query};
use refunds::domain::refund::{Refund, StateKind};
use refunds::store::EXAMINED_MAX;
use refunds::store::sql::Asked;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, Statement, TransactionTrait, Value};

use super::super::plans::ASKED;
use super::cases::{alone, together};
use super::stock::stocked;
use crate::support::database::{Kind, TestDatabase};
use crate::support::samples::name;
use crate::support::{on_every_database, on_postgres};

/// Takes what the migration of lists made away, but for the index that it made anew.
const FORGET: &[&str] = &[
    "DROP TABLE refund_labels",
    "DROP TABLE refund_esims",
    "DROP INDEX refunds_created",
    "DROP INDEX refunds_account_created",
    "DROP INDEX refunds_caller_created",
    "DROP INDEX refunds_open",
    "DROP INDEX refunds_overdue",
    "DROP INDEX refunds_provider_refund_id",
    "DROP INDEX refunds_review_reference",
    "DELETE FROM seaql_migrations WHERE version = 'm20261129_000003_lists'",
];

/// How often each refund that is final is there, and each that is open.
const COPIES: [(&str, u32); 2] = [("due_us IS NULL", 5_000), ("due_us IS NOT NULL", 20)];

/// How often PostgreSQL plans a statement for the values at hand before it considers a plan for any.
const GENERIC_AFTER: usize = 6;

/// How many times as many rows the planner is to believe in: nine millions.
const BELIEVED: u32 = 300;

/// Copies refunds, and has the migration fill its tables and indexes from them.
async fn grow(db: &TestDatabase, raw: &DatabaseConnection) {
    let (columns, id) = match db.kind {
        Kind::Postgres => (
            "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'refunds'",
            "gen_random_uuid()",
        ),
        Kind::Sqlite | Kind::Memory => ("SELECT name FROM pragma_table_info('refunds')", "randomblob(16)"),
    };
    let rows = raw.query_all_raw(Statement::from_string(raw.get_database_backend(), columns)).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.try_get("", "name").unwrap()).collect();
    let values: Vec<String> = names
        .iter()
        .map(|name| match name.as_str() {
            "id" | "provider_key" => id.to_owned(),
            "request_id" => "request_id || '-' || n".to_owned(),
            "created_us" => "created_us - 1000 * n".to_owned(),
            "order_id" | "order_key" => format!("{name} || '-' || (n % 500)"),
            as_it_is => as_it_is.to_owned(),
        })
        .collect();
    let (names, values) = (names.join(", "), values.join(", "));
    for (which, copies) in COPIES {
        let copy = format!(
            "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {copies}) \
             INSERT INTO refunds ({names}) SELECT {values} FROM refunds, counted \
             WHERE {which} AND request_id NOT LIKE '%-%-%'"
        );
        raw.execute_unprepared(&copy).await.unwrap();
    }
    for forget in FORGET {
        raw.execute_unprepared(forget).await.unwrap();
    }
    db.sql().migrate().await.unwrap();
}

/// The type of a value in PostgreSQL, and the value as it is written there.
fn literal(value: &Value) -> (&'static str, String) {
    match value {
        Value::String(Some(text)) => ("text", format!("'{text}'")),
        Value::Uuid(Some(id)) => ("uuid", format!("'{id}'")),
        Value::BigInt(Some(number)) => ("bigint", number.to_string()),
        Value::BigUnsigned(Some(number)) => ("bigint", number.to_string()),
        Value::Int(Some(number)) => ("int", number.to_string()),
        other => panic!("{other:?}"),
    }
}

/// The plan of what a list asks, line by line; on PostgreSQL after it was asked so often that the planner may
/// go by a plan for any values, and with what it did when it was asked once more.
async fn plan(
    db: &TestDatabase,
    on: &DatabaseTransaction,
    asked: Asked<'_>,
    after: Option<Place>,
) -> Vec<String> {
    let asked = asked.statement(on.get_database_backend(), after, 50, db.clock.now());
    let (explained, column) = match db.kind {
        Kind::Postgres => {
            let values = asked.values.iter().flat_map(|values| &values.0).map(literal);
            let (types, values): (Vec<_>, Vec<_>) = values.unzip();
            let execute = format!("EXECUTE asked ({})", values.join(", "));
            let prepare = format!("PREPARE asked ({}) AS {}", types.join(", "), asked.sql);
            on.execute_unprepared(&prepare).await.unwrap();
            for _ in 0..GENERIC_AFTER {
                on.execute_unprepared(&execute).await.unwrap();
            }
            let explain = format!("EXPLAIN (ANALYZE, TIMING OFF) {execute}");
            (Statement::from_string(on.get_database_backend(), explain), "QUERY PLAN")
        }
        Kind::Sqlite | Kind::Memory => {
            (Statement { sql: format!("EXPLAIN QUERY PLAN {}", asked.sql), ..asked }, "detail")
        }
    };
    let rows = on.query_all_raw(explained).await.unwrap();
    if db.kind == Kind::Postgres {
        on.execute_unprepared("DEALLOCATE asked").await.unwrap();
    }
    rows.iter().map(|row| row.try_get("", column).unwrap()).collect()
}

/// Whether a line of a plan reads a table from end to end.
fn is_scan(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let of_table = |table: &&str| ["refunds", "refund_labels", "refund_esims", "events"].contains(table);
    line.contains("Seq Scan")
        || words.first() == Some(&"SCAN") && words.get(1).is_some_and(of_table) && !words.contains(&"USING")
}

/// How many rows of tables and indexes were looked at, by a plan of PostgreSQL that was run.
fn examined(plan: &[String]) -> u64 {
    let number = |line: &str, after: &str| -> Option<u64> {
        let rest = line.split(after).nth(1)?;
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
    };
    let (mut examined, mut loops) = (0, 0);
    for line in plan {
        if let Some(rows) = number(line, "(actual rows=") {
            let of_table = line.contains("Scan") && !line.contains("Subquery Scan");
            loops = if of_table { number(line, " loops=").unwrap() } else { 0 };
            examined += rows * loops;
        } else if let Some(removed) = number(line, "Rows Removed by Filter: ") {
            examined += removed * loops;
        }
    }
    examined
}

/// A large table as the planner believes it to be.
async fn large(db: &TestDatabase) -> (Vec<Refund>, DatabaseConnection) {
    let refunds = stocked(db).await;
    let raw = db.raw().await;
    grow(db, &raw).await;
    raw.execute_unprepared("ANALYZE").await.unwrap();
    if db.kind == Kind::Postgres {
        let believe = format!(
            "UPDATE pg_class SET reltuples = reltuples * {BELIEVED} \
             WHERE reltuples > 0 AND relnamespace = 'public'::regnamespace"
        );
        raw.execute_unprepared(&believe).await.unwrap();
    }
    (refunds, raw)
}

on_every_database! {
    async fn lists_go_by_the_index_that_the_query_says(db: &TestDatabase) {
        let (refunds, raw) = large(db).await;
        let on = raw.begin().await.unwrap();
        let afters = [None, Some(Place::of(&refunds[20]))];
        let account = name("shop-au");
        let cases: Vec<_> = alone(&refunds).into_iter().chain(together(&refunds)).collect();
        let lists = cases.iter().flat_map(|(query, by, _)| {
            [Asked::Page(query), Asked::End(query)].map(|asked| (asked, *by, afters.as_slice()))
        });
        let others = [
            (Asked::Overdue(None), "refunds_overdue", afters.as_slice()),
            (Asked::Overdue(Some(&account)), "refunds_overdue", afters.as_slice()),
            (Asked::Standings, "refunds_open", &[None]),
        ];
        for (asked, by, afters) in lists.chain(others) {
            for after in afters {
                let plan = plan(db, &on, asked, *after).await;
                let goes_by = |line: &String| line.split_whitespace().any(|word| word == by);
                assert!(plan.iter().any(goes_by), "{asked:?} {by}: {plan:#?}");
                assert!(!plan.iter().any(|line| is_scan(line)), "{asked:?}: {plan:#?}");
            }
        }
        drop(on);
        raw.close().await.unwrap();
    }

    async fn claims_keep_to_their_own_indexes(db: &TestDatabase) {
        let (_, raw) = large(db).await;
        let backend = raw.get_database_backend();
        let (explain, column) = match db.kind {
            Kind::Postgres => ("EXPLAIN", "QUERY PLAN"),
            Kind::Sqlite | Kind::Memory => ("EXPLAIN QUERY PLAN", "detail"),
        };
        for (asked, by) in ASKED.iter().filter(|(asked, _)| asked.contains("refunds")) {
            let explained = Statement::from_string(backend, format!("{explain} {asked}"));
            let rows = raw.query_all_raw(explained).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.try_get("", column).unwrap()).collect();
            let is_index = |word: &str| by.split(' ').any(|index| index == word);
            let goes_by = |line: &String| line.split_whitespace().any(is_index);
            assert!(plan.iter().any(goes_by), "{asked}: {plan:#?}");
        }
        raw.close().await.unwrap();
    }

    async fn what_was_accepted_before_is_found_by_labels_and_esims(db: &TestDatabase) {
        let refunds = stocked(db).await;
        let raw = db.raw().await;
        for forget in FORGET {
            raw.execute_unprepared(forget).await.unwrap();
        }
        raw.close().await.unwrap();
        db.sql().migrate().await.unwrap();
        let mut found = 0;
        for (query, by, fits) in alone(&refunds).into_iter().chain(together(&refunds)) {
            let listed = db.store().list(&query, None, 100).await.unwrap().refunds;
            let expected = refunds.iter().filter(|refund| fits(refund)).count();
            assert_eq!(listed.len(), expected, "{query:?}");
            found += if by == "refund_labels" || by == "refund_esims" { expected } else { 0 };
        }
        assert!(found > 10, "{found}");
    }
}

on_postgres! {
    async fn a_page_that_nothing_fits_looks_at_no_more_than_it_may(db: &TestDatabase) {
        let (refunds, raw) = large(db).await;
        let on = raw.begin().await.unwrap();
        let mut full = Vec::new();
        for (query, by, _) in alone(&refunds).into_iter().filter(|(query, ..)| query.states.is_empty()) {
            let nothing = Query { states: vec![StateKind::Reversed], ..query };
            assert_eq!(db.store().list(&nothing, None, 50).await.unwrap().refunds, vec![]);
            // Each entry of another table leads to its refund.
            let each = if by.starts_with("refunds_") { 1 } else { 2 };
            for asked in [Asked::Page(&nothing), Asked::End(&nothing)] {
                let plan = plan(db, &on, asked, None).await;
                let examined = examined(&plan);
                assert!(examined <= EXAMINED_MAX * each, "{asked:?}: {plan:#?}");
                if examined >= EXAMINED_MAX {
                    full.push(by);
                }
            }
        }
        full.dedup();
        // Those of which there are many.
        for by in ["created", "caller_created", "account_created", "provider_refund_id"] {
            assert!(full.iter().any(|full| full.strip_prefix("refunds_") == Some(by)), "{by}: {full:?}");
        }
        assert!(full.contains(&"refund_labels"), "{full:?}");
        drop(on);
        raw.close().await.unwrap();
    }
}
