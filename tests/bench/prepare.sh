# Sourced by the benchmarks: builds what they need and makes their traces once, below target/bench.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

BENCH="${CARGO_TARGET_DIR:-target}/bench"
BLKREPLAY="${CARGO_TARGET_DIR:-target}/release/blkreplay"
mkdir -p "$BENCH"
cargo build --release --locked --quiet -p blkreplay
cargo build --release --locked --quiet -p blkreplay-core --example generate_trace

# Prints the path of a trace of so many requests. It is made anew when what makes it was.
trace_of() {
    local path="$BENCH/$1.blkr" maker="${CARGO_TARGET_DIR:-target}/release/examples/generate_trace"
    if [ ! -e "$path" ] || [ "$maker" -nt "$path" ]; then
        printf 'making a trace of %s requests: ' "$1" >&2
        "$maker" "$path" "$1" >&2
    fi
    echo "$path"
}

# Runs a command and prints its seconds and its most memory in bytes; what it prints goes to the file $1.
measure() { python3 tests/bench/measure.py "$@"; }

# ratio A B: how many times B is A.
ratio() { python3 -c "print(f'{float(\"$1\") / max(float(\"$2\"), 1e-9):.2f}')"; }

# rate COUNT SECONDS: millions a second.
rate() { python3 -c "print(f'{float(\"$1\") / max(float(\"$2\"), 1e-9) / 1e6:.2f}')"; }
