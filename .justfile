# The only door: what it does is written in .ci/run, which needs no `just`.

_list:
    @just --list --unsorted

# Everything that is checked before a merge.
check:
    .ci/run

# Start the service with its sandbox; nothing else is needed.
run *arguments:
    cargo run --quiet -- dev {{ arguments }}

# Format the sources and the protos.
format:
    .ci/run format

# Tests, or those whose names hold a word.
test *filter:
    cargo test {{ filter }}

# Play ten thousand seeds of the simulation, or one, told step by step.
simulate seed="":
    {{ if seed == "" { "SIMULATE_SEEDS=10000" } else { "SIMULATE_SEED=" + seed } }} .ci/run simulate

# Lints, with the sandbox and without.
lint:
    .ci/run fmt lint

# The documentation of every item, private ones too.
docs:
    .ci/run docs

# Licences, bans and sources of the dependencies, and dependencies that nobody uses.
deny:
    .ci/run deny unused

# Lint the protos and hold them against the last release.
proto:
    .ci/run proto

# The Dockerfile, the manifests and the configuration that they ship.
deploy:
    .ci/run deploy

# One refund from end to end on the running binary.
e2e:
    .ci/run e2e

# Kills, stops, cuts and restores of everything, at length; CHAOS=short in minutes, CHAOS_SEED replays a draw.
chaos:
    CHAOS=${CHAOS:-full} .ci/run chaos

# Accept the inline snapshots and generated pages that tests would write.
update:
    UPDATE_DOCS=1 INSTA_UPDATE=always cargo test
