#!/usr/bin/env bash
# Feeds changed inputs to everything that takes bytes from outside, and reports what breaks.
#
#   tests/fuzz/run.sh                              every target, 20,000 inputs each
#   tests/fuzz/run.sh TARGET... [--inputs N] [--seed S] [--release]
#   tests/fuzz/run.sh TARGET --file INPUT          one saved input again
#
# Works with the stable compiler: coverage comes from passes of LLVM that need no nightly. What fails is
# saved below target/fuzz/found, and the command that repeats it is printed.
set -euo pipefail
cd "$(dirname "$0")/../.."

mapfile -t TARGETS < <(sed -nE 's/^    (trace|peer)\("([a-z]+)".*/\2/p' tests/fuzz/fuzz_targets/main.rs)
TRIPLE=$(rustc -vV | sed -n 's/^host: //p')
HOUSE=${CARGO_TARGET_DIR:-target}/fuzz

inputs=20000
seed=1
profile=debug
file=
chosen=()
while [ $# -gt 0 ]; do
    case $1 in
    --inputs) inputs=$2; shift ;;
    --seed) seed=$2; shift ;;
    --file) file=$2; shift ;;
    --release) profile=release ;;
    *) chosen+=("$1") ;;
    esac
    shift
done
if [ ${#chosen[@]} -eq 0 ]; then
    chosen=("${TARGETS[@]}")
fi

coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares"
options=()
if [ "$profile" = release ]; then
    options+=(--release)
fi
# Named, so that build scripts and macros, which run here, are not instrumented.
RUSTFLAGS="$coverage" cargo build --quiet --manifest-path tests/fuzz/Cargo.toml \
    --target "$TRIPLE" --target-dir "$HOUSE" "${options[@]}"

failed=0
for target in "${chosen[@]}"; do
    export BLKREPLAY_FUZZ_TARGET=$target
    fuzz=("$HOUSE/$TRIPLE/$profile/fuzz" -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$HOUSE/found/$target-")
    mkdir -p "$HOUSE/found"
    if [ -n "$file" ]; then
        "${fuzz[@]}" "$file"
        continue
    fi
    # A new directory each time: the same seed then makes the same inputs.
    run=$(mktemp -d "$HOUSE/run-XXXXXX")
    trap 'rm -rf "$run"' EXIT
    corpus=$run/corpus log=$run/log
    mkdir "$corpus"
    started=$SECONDS
    if BLKREPLAY_FUZZ_SEEDS=$corpus "${fuzz[@]}" -runs="$inputs" -seed="$seed" -max_len=8192 \
        -len_control=0 -print_final_stats=1 "$corpus" >"$log" 2>&1; then
        covered=$(grep -aoE 'cov: [0-9]+' "$log" | tail -1 || true)
        memory=$(grep -aoE '^MEMORY [0-9]+' "$log" | tail -1 || true)
        count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        printf '%-10s %s inputs in %s s, seed %s, %s, %s bytes at most\n' "$target" "$count" \
            $((SECONDS - started)) "$seed" "${covered:-cov: ?}" "${memory:-MEMORY under 1048576}"
    else
        failed=1
        grep -a -A 3 'panicked at' "$log" | cut -c 1-2000 || true
        tail -n 12 "$log"
        printf '%s FAILED with seed %s; again: tests/fuzz/run.sh %s --file %s\n' "$target" "$seed" \
            "$target" "$(ls -t "$HOUSE/found/$target-"* 2>/dev/null | head -n 1)"
    fi
    rm -rf "$run"
done
exit $failed
