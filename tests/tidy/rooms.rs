//! Who may know whom, and which room owns which crate. What is not in the tables is not allowed.

use std::collections::BTreeSet;

use super::Faults;
use super::paths::{Named, named_paths};

/// Rooms of `src/`, and the paths of the crate that each may name.
const ROOMS: &str = "
domain    |
service   | domain store
store     | domain
provider  | domain telemetry
dispatch  | domain store provider service telemetry
grpc      | domain service store::Error telemetry
telemetry |
config    |
sandbox   |
app       | config dispatch domain grpc provider sandbox service store telemetry
main      | app config telemetry
lib       |
";

/// Paths with a home: the rooms that may name them (`*` is every one, `-` takes out), and why those. The
/// longest path that fits decides. Every dependency has a row; rows of `std` do not bind tests.
const HOMES: &str = "
async_trait | migrations provider store | traits that are plugged in as objects
axum | sandbox | only the sandbox speaks HTTP as a server
base64 | provider sandbox service telemetry | credentials, resume tokens, trace headers
card_validate | domain | the law on card numbers in free text
clap | main app | the command line is read where the program begins
config toml | config | one reader of file and environment
futures tokio tokio_util | * -domain -config | laws and settings wait for nothing
http | grpc provider sandbox telemetry | the wire, and the trace that it carries
http_body | grpc provider sandbox | the wire
insta opentelemetry_proto proptest tempfile | * | tests: cargo itself keeps them out of the service
iso_currency | domain | the table of exponents stands beside money
jsonwebtoken | sandbox | assertions are verified where they are received
json_subscriber tracing_opentelemetry tracing_subscriber | telemetry | one room tells what happens
migrations | app store | the schema is the store's; app decides when it runs
opentelemetry opentelemetry_otlp opentelemetry_sdk | telemetry | one room tells what happens
percent_encoding | provider sandbox | ids in the paths of a provider
prost prost_types tonic_prost | grpc | wire in, wire out
protox tonic_prost_build | build | protos are compiled at build time
rand | service | chance comes from the id source: a seed replays
refunds | main | the library's own name, for the binary
reqwest | provider | one client, traced, that follows no redirect
ring | provider sandbox | assertions are signed where tokens are asked for, verified where they are received
rust_decimal | domain provider sandbox | decimals of a wire become minor units
rustix | app service | the clock that counts suspension; crash points
rustls | app provider | the crypto provider is installed once
sea_orm sqlx | store | the only room that knows SQL
sea_orm_migration | app migrations store | the schema is the store's; app decides when it runs
secrecy | app config provider store | from the file to the client that needs the secret
serde | config provider sandbox store telemetry | the forms of file, wire, row and log
serde_json | provider sandbox store telemetry | bodies, columns of JSON, log lines
serde_path_to_error | config provider sandbox | a fault names its field
sha2 | app config domain provider sandbox service | keys, tokens and fingerprints
thiserror | * | one Error per room
time | domain provider sandbox store | timestamps; nowhere a clock
tokio::fs | app config sandbox | files are read at start
tokio::io tokio::net | app grpc provider sandbox | sockets
tokio::process | | tests start processes, the service none
tokio::signal | app main | one place hears signals
tokio_stream | grpc service | streams of statuses
tonic | app grpc | wire in, wire out; app holds the server
tonic_health tonic_reflection tonic_types tower | grpc | wire in, wire out
tracing | * -domain -config | facts are told where they are consumed
url | app config provider | base URLs: checked in config, used in provider
uuid | domain provider service store | ids; made by the id source alone
std::env | build config | only config reads the environment
std::fs | app build config sandbox store | settings, data directory, lock, ledger
std::net | app config grpc provider sandbox telemetry | addresses are no business of a rule
std::process | app config main | the process is known where it begins
std::thread | app main telemetry | work waits on the runtime, not on threads
";

/// Names that a source may begin a path with though the workspace does not list them as dependencies.
const NOT_LISTED: &[&str] = &["migrations", "refunds", "sqlx", "std"];

/// A room of `ROOMS` and what it may name.
fn rooms() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROOMS.lines().filter_map(|row| row.split_once('|')).map(|(room, allowed)| (room.trim(), allowed))
}

/// A path of `HOMES`, its rooms, and why those.
fn homes() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let rows = HOMES.lines().filter_map(|row| row.split_once('|'));
    let rows = rows.filter_map(|(paths, rest)| Some((paths, rest.split_once('|')?)));
    rows.flat_map(|(paths, (homes, why))| paths.split_whitespace().map(move |path| (path, homes, why)))
}

/// Every dependency of the workspace has a row, and every row a dependency.
pub(crate) fn check_dependencies(manifest: &str, faults: &mut Faults) {
    let lines = manifest.lines().zip(1..).skip_while(|(line, _)| *line != "[workspace.dependencies]").skip(1);
    let mut listed: BTreeSet<String> = NOT_LISTED.iter().map(|name| (*name).to_owned()).collect();
    for (line, number) in lines.take_while(|(line, _)| !line.starts_with('[')) {
        if !line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            continue;
        }
        let name = line.split([' ', '.', '=']).next().unwrap_or_default().replace('-', "_");
        if !homes().any(|(path, _, _)| path == name) {
            faults.add("Cargo.toml", number, format!("`{name}` has no row in HOMES of tests/tidy/rooms.rs"));
        }
        listed.insert(name);
    }
    for (path, _, _) in homes().filter(|(path, _, _)| !listed.contains(first_part(path))) {
        faults.add("tests/tidy/rooms.rs", 1, format!("the row `{path}` of HOMES is about no dependency"));
    }
}

fn first_part(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

/// The room of a source file, and the modules that it is.
fn place(path: &str) -> Option<(String, Vec<String>)> {
    if path == "build.rs" {
        return Some(("build".to_owned(), vec![]));
    }
    if path.starts_with("migrations/src/") {
        return Some(("migrations".to_owned(), vec![]));
    }
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let modules: Vec<String> = inner.split('/').map(str::to_owned).collect();
    let room = modules.first()?.clone();
    let is_root = room == "lib" || room == "main";
    Some((room, if is_root { vec![] } else { modules }))
}

/// What a source names out of its room.
pub(crate) fn check_paths(path: &str, text: &str, faults: &mut Faults) {
    let Some((room, modules)) = place(path) else { return };
    let outside = room == "build" || room == "migrations";
    if !outside && !rooms().any(|(known, _)| known == room) {
        faults.add(path, 1, format!("the room `{room}` has no row in ROOMS of tests/tidy/rooms.rs"));
    }
    for named in named_paths(text, &modules) {
        let Some(first) = named.parts.first() else { continue };
        let whole = named.parts.join("::");
        if first == "crate" || first == "refunds" {
            check_room(path, &room, &named, &whole, faults);
        }
        if first != "crate" && !(first == "std" && named.in_test) {
            check_home(path, &room, &named, &whole, faults);
        }
    }
}

fn check_room(path: &str, room: &str, named: &Named, whole: &str, faults: &mut Faults) {
    let other = whole.split_once("::").map_or("", |(_, rest)| rest);
    let is_own = first_part(other) == room;
    let Some((_, allowed)) = rooms().find(|(known, _)| *known == room) else { return };
    if is_own || !rooms().any(|(known, _)| known == first_part(other)) {
        return;
    }
    // The import of a room is judged by what is then taken out of it.
    let fits = |row| is_below(other, row) || (named.is_import && is_below(row, other));
    if !allowed.split_whitespace().any(fits) {
        faults.add(path, named.line, format!("`{room}` may not know `{other}`"));
    }
}

fn check_home(path: &str, room: &str, named: &Named, whole: &str, faults: &mut Faults) {
    let row = homes().filter(|(row, _, _)| is_below(whole, row)).max_by_key(|(row, _, _)| row.len());
    let Some((row, homes, why)) = row else { return };
    let lists = |name: &str| homes.split_whitespace().any(|home| home == name);
    if !lists(room) && (!lists("*") || lists(&format!("-{room}"))) {
        faults.add(path, named.line, format!("`{row}` is at home in [{}]: {}", homes.trim(), why.trim()));
    }
}

/// Whether a path is another or lies below it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
