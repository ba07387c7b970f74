#!/usr/bin/env bash
# Tries each fuzz target with inputs nobody thought of. Begins with the inputs in
# fuzz/corpus-seeds/TARGET and with what earlier runs kept in fuzz/corpus/TARGET. Ends with 1 at the
# first input that breaks a rule, and says where it lies.
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]   that long for each target (default 60), or for those named
#   FUZZ_RUNS=100000 scripts/fuzz.sh        that many inputs for each, the same ones on every machine and in
#                                           every run: it finds what a change broke, nothing new
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.tools/bin:$PATH"
export RUST_BACKTRACE=0 # the place of the assertion says enough
seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for file in fuzz/targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

mkdir -p target/fuzz
# No sanitizer: there is no unsafe code to watch, and with one it would take a nightly toolchain.
# Debug assertions and overflow checks are on.
for target in "${targets[@]}"; do
  [ -f "fuzz/targets/$target.rs" ] || { echo "fuzz: there is no fuzz/targets/$target.rs" >&2; exit 2; }
  arguments=(-timeout=10 -max_len=16384 -print_final_stats=1 -verbosity=1)
  [ ! -f "fuzz/targets/$target.dict" ] || arguments+=("-dict=fuzz/targets/$target.dict")
  if [ -n "${FUZZ_RUNS:-}" ]; then
    arguments+=(-seed=1 "-runs=$FUZZ_RUNS")
    kept=target/fuzz/fresh/$target # what earlier runs kept would make it another run
    rm -rf "$kept"
    echo "fuzz: $target, $FUZZ_RUNS inputs"
  else
    arguments+=("-max_total_time=$seconds")
    kept=fuzz/corpus/$target
    echo "fuzz: $target, ${seconds}s"
  fi
  mkdir -p "$kept"
  cargo fuzz run --sanitizer none --target-dir target/fuzz "$target" \
    "$kept" "fuzz/corpus-seeds/$target" -- "${arguments[@]}" > "target/fuzz/$target.log" 2>&1 \
    || { tail -n 40 "target/fuzz/$target.log" >&2; echo "fuzz: $target FAILED; all of it is in target/fuzz/$target.log" >&2; exit 1; }
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "target/fuzz/$target.log")
  [ "${executions:-0}" -gt 1000 ] || { echo "fuzz: $target tried ${executions:-no} inputs only; see target/fuzz/$target.log" >&2; exit 1; }
  echo "fuzz: $target held for $executions inputs"
done
