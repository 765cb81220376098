#!/bin/sh
# Builds a fuzz target with coverage and runs it: tests/fuzz/run.sh TARGET SECONDS [OPTIONS..]
# Needs no nightly toolchain: the coverage pass belongs to LLVM. Findings land in
# tests/fuzz/artifacts/TARGET/, the grown corpus in tests/fuzz/corpus/TARGET/.
set -eu
cd "$(dirname "$0")"
target=$1
seconds=$2
shift 2
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --release --target "$host" --bin "$target"
mkdir -p "corpus/$target" "artifacts/$target"
exec "target/$host/release/$target" "corpus/$target" ../../fixtures \
    -artifact_prefix="artifacts/$target/" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=1024 -max_len=65536 "$@"
