#!/usr/bin/env bash
# How long the inspector keeps somebody waiting, in a trace of 100 million requests. Targets, each printed beside its figure: the first frame
# and the first picture of every view but the comparison within 200 ms, a move within 50 ms whatever goes on, first hits of a filter within 100 ms, no more than
# 256 MiB resident.
#
#   tests/bench/inspect.sh [REQUESTS]
#
# An example of the command plays a terminal of 120x40 and waits for what stands on its screen. 100 million take 2.5 GB below target/bench,
# which are removed again. The yardstick in the same run is `print`: how soon it has its first line, and the first row of the same filter.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/prepare.sh"

requests=${1:-100000000}
filter="op == write && lat > 5ms"
target=${CARGO_TARGET_DIR:-target}
trace="$BENCH/inspect.blkr"
free=$(df --output=avail -B1 "$BENCH" | tail -1)
if [ "$free" -lt $((requests * 30)) ]; then
    echo "$BENCH has $free bytes free, which is not enough: give fewer REQUESTS" >&2
    exit 1
fi
trap 'rm -f "$trace"' EXIT
cargo build --locked --quiet --release -p blkreplay --example drive_inspector
"$target/release/examples/generate_trace" "$trace" "$requests"

"$target/release/examples/drive_inspector" "$BLKREPLAY" "$trace" "$filter"
read -r row _ < <(python3 tests/bench/filter.py '"id"' "$BLKREPLAY" print "$trace" --json -n 1)
printf '%-44s %9s ms\n' "print: first line" "$row"
read -r row _ < <(python3 tests/bench/filter.py '"id"' "$BLKREPLAY" print "$trace" --json -f "$filter" -n 1)
printf '%-44s %9s ms\n' "print -f: first row of the filter" "$row"
