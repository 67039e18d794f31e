# `just` lists these. They are what .ci/run does, step by step, and what one types while working.

binary := env("CARGO_TARGET_DIR", "target") / "debug/outcrop"

[private]
default:
    @just --list --unsorted

# A gateway with the built-in simulator behind it: no AWS account needed
run *flags:
    cargo run --release -- serve --simulate {{ flags }}

# Format the code
fmt:
    cargo fmt

# Lint the code, as CI does
clippy:
    cargo clippy --all-targets --locked -- -D warnings

# README's test command: hermetic, Rust only
test *filter:
    cargo test --locked {{ filter }}

# Install the clients that are tested and the linters, once
install:
    tests/clients/install

# OpenAI's SDKs, LangChain, the AI SDK and openapi.yaml against a real server
clients: install
    cargo build --locked
    tests/clients/run {{ binary }}

# Lint openapi.yaml
openapi: install
    tests/clients/lint

# Licences, bans and sources of the dependencies (cargo install --locked cargo-deny)
deny:
    cargo deny check --hide-inclusion-graph bans licenses sources

# The same and the advisories, which need the network
audit:
    cargo deny check --hide-inclusion-graph

# Every order of steps where threads share state, by loom
interleavings:
    cargo run --release --locked --manifest-path loom/Cargo.toml

# Fuzz one parser, such as `frames`; fuzz/fuzz_targets/ has them all (nightly; cargo install --locked cargo-fuzz)
fuzz target seconds="600":
    mkdir -p fuzz/corpus/{{ target }}
    cd fuzz && cargo +nightly fuzz run {{ target }} corpus/{{ target }} seeds/{{ target }} -- \
      -dict=words.dict -max_len=16384 -max_total_time={{ seconds }}

# Fuzz every parser for so long each; without nightly and cargo-fuzz it says so and is well. `just fuzz-all 10 --plain` takes any toolchain
fuzz-all seconds="30" *options:
    fuzz/all {{ seconds }} {{ options }}

# The documentation of the code
doc:
    cargo doc --no-deps --document-private-items --locked --open

# The container image
image:
    docker build --tag outcrop .

# The container image without a registry and without Docker, as root
image-offline:
    deploy/image/build-offline

# How fast it is, as ratios to the least work that can be done (bench/README.md)
bench *flags:
    bench/run {{ flags }}

# Hurt the release build: names of scenarios, --quick, --list (torture/README.md)
torture *flags:
    torture/run {{ flags }}

# All that CI does
ci:
    .ci/run
