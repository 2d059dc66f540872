#!/usr/bin/env bash
# How long the inspector keeps somebody waiting, in a trace of 100 million requests. Targets: the first frame within 200 ms, the first hits
# of a filter within 100 ms, a move while it looks as quick as ever, 256 MiB resident.
#
#   tests/bench/inspect.sh [REQUESTS]
#
# The yardstick in the same run is `print`, which gets to its first line, and to the first row of the same filter.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/prepare.sh"

requests=${1:-100000000}
filter="op == write && lat > 5ms"
trace="$BENCH/inspect.blkr"
trap 'rm -f "$trace"' EXIT
cargo build --locked --quiet --release -p blkreplay-core --example generate_trace
"${CARGO_TARGET_DIR:-target}/release/examples/generate_trace" "$trace" "$requests" "$((requests / 1000000 + 1))"

line=$(python3 tests/bench/inspect.py "$BLKREPLAY" "$trace" "$filter")
read -r first last hit whole move memory <<<"$line"
printf 'inspect  first frame %s s, last request %s s, first hit %s s, a move meanwhile %s s, all hits %s s, %s MiB resident\n' \
    "$first" "$last" "$hit" "$move" "$whole" $((memory >> 20))
line=$(python3 tests/bench/filter.py '"id"' "$BLKREPLAY" print "$trace" --json -n 1)
read -r row _ <<<"$line"
printf 'print    first line %s ms\n' "$row"
line=$(python3 tests/bench/filter.py '"id"' "$BLKREPLAY" print "$trace" --json -f "$filter" -n 1)
read -r row _ <<<"$line"
printf 'print -f first line %s ms\n' "$row"
echo 'targets: first frame 0.2 s, first hit 0.1 s, 256 MiB'
