#!/usr/bin/env bash
# How fast `print -f` finds what is meant in a trace of 100 million requests. Targets, for `op == write && lat > 5ms`: 20 million
# requests a second a core in a compacted trace, 10 million in a live one, and the first row within 100 ms.
#
#   tests/bench/filter.sh [REQUESTS] [PEER_REQUESTS]
#
# The image stalls once in a million requests, so that most chunks can be passed over. The same filter with holds, of which
# summaries say nothing, reads all. In a second trace, of a tenth of the requests, the image stalls in every chunk. The yardsticks do the same with a table of 7 columns of a trace of
# PEER_REQUESTS, 5 million: awk reads it as CSV from zstd, sqlite3 goes over all of a table. 100 million take 4 GB below target/bench,
# which are removed again.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/prepare.sh"

requests=${1:-100000000}
peer_requests=${2:-5000000}
filter="op == write && lat > 5ms"
place="$BENCH/filter"
maker="${CARGO_TARGET_DIR:-target}/release/examples/generate_trace"
free=$(df --output=avail -B1 "$BENCH" | tail -1)
# A live trace has 26 bytes a request, a compacted one 10, CSV 50.
if [ "$free" -lt $((requests * 50 + peer_requests * 150)) ]; then
    echo "$BENCH has $free bytes free, which is not enough: give fewer REQUESTS" >&2
    exit 1
fi
rm -rf "$place"
mkdir "$place"
trap 'rm -rf "$place"' EXIT

# found NAME COUNT TRACE FILTER: prints a line about a filter; leaves what a request took of a core in $each, in nanoseconds.
found() {
    local line first seconds core memory lines
    line=$(python3 tests/bench/filter.py '"id"' "$BLKREPLAY" print "$3" --json -f "$4")
    read -r first seconds core memory lines <<<"$line"
    printf '%-30s %6s million requests a second a core, first row %s ms, %s s in all, %s rows, %s MiB resident\n' "$1" \
        "$(rate "$2" "$core")" "$first" "$seconds" "$lines" $((memory >> 20))
    each=$(python3 -c "print($core / $2 * 1e9)")
}

# peer NAME COUNT COMMAND...: prints a line about somebody else at the same work.
peer() {
    local name=$1 count=$2 line core lines
    line=$(python3 tests/bench/filter.py , "${@:3}")
    read -r _ _ core _ lines <<<"$line"
    printf '%-30s %6s million requests a second a core, %s rows: %s times as long as the first\n' "$name" \
        "$(rate "$count" "$core")" "$lines" "$(python3 -c "print(f'{$core / $count * 1e9 / $best:.1f}')")"
}

"$maker" "$place/live.blkr" "$requests" >/dev/null
found "live" "$requests" "$place/live.blkr" "$filter"
"$BLKREPLAY" -q compact "$place/live.blkr" -o "$place/small.blkr"
found "compacted" "$requests" "$place/small.blkr" "$filter"
best=$each
# No summary has bounds of holds.
found "live, all read" "$requests" "$place/live.blkr" "op == write && (lat > 5ms || hold > 5ms)"
found "compacted, all read" "$requests" "$place/small.blkr" "op == write && (lat > 5ms || hold > 5ms)"
rm "$place/live.blkr" "$place/small.blkr"

many=$((requests / 10))
"$maker" "$place/live.blkr" "$many" 20000 >/dev/null
found "live, stalls everywhere" "$many" "$place/live.blkr" "$filter"
"$BLKREPLAY" -q compact "$place/live.blkr" -o "$place/small.blkr"
found "compacted, stalls everywhere" "$many" "$place/small.blkr" "$filter"
rm "$place/live.blkr" "$place/small.blkr"

"$maker" "$place/live.blkr" "$peer_requests" >/dev/null
"$BLKREPLAY" print "$place/live.blkr" --fields id,t,op,off,len,lat,hold --format csv >"$place/t.csv"
zstd -q -3 "$place/t.csv" -o "$place/t.csv.zst"
peer "zstd and awk" "$peer_requests" sh -c "zstd -q -dc '$place/t.csv.zst' | awk -F, '\$3 == \"write\" && \$6 > 5000000'"
if command -v sqlite3 >/dev/null; then
    sqlite3 "$place/t.db" 'CREATE TABLE t(id INTEGER, t INTEGER, op TEXT, off INTEGER, len INTEGER, lat INTEGER, hold INTEGER)' \
        ".import --csv --skip 1 $place/t.csv t"
    peer "sqlite3" "$peer_requests" sqlite3 -csv "$place/t.db" "SELECT * FROM t WHERE op = 'write' AND lat > 5000000"
else
    echo "sqlite3 is not installed: not compared"
fi
