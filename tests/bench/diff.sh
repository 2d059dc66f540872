#!/usr/bin/env bash
# How fast two traces are compared. Targets: two traces of 10 million requests that say the same, recorded apart, in 1 s; two
# different ones at 5 million requests a second; by key, different ones in three times the time of equal ones; 256 MiB resident.
#
#   tests/bench/diff.sh [REQUESTS]
#
# The peer in the same run is what one would do without `diff`: both traces printed as canonical text, which has the requests of an
# epoch in one order, and given to `cmp`.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/prepare.sh"

requests=${1:-10000000}
# It makes the traces: the same work recorded twice, and work of which one request in a thousand wrote something else,
# recorded apart (changed) and in the same order (edited).
cargo bench --locked --quiet -p blkreplay-core --bench diff -- "$requests"
base="$BENCH/diff-base.blkr"

# Measures a command that has to end with the code $1; sets seconds and memory.
expect() {
    local expected=$1 found=0 told
    shift
    told=$(measure "$@") || found=$?
    if [ "$found" != "$expected" ]; then
        printf 'it ended with %s, not %s: %s\n' "$found" "$expected" "${*:2}" >&2
        exit 1
    fi
    read -r seconds memory <<<"$told"
}

# compare ALIGN OTHER [OPTION...]: base and another trace.
compare() {
    local align=$1 other=$2
    expect "$differs" /dev/null "$BLKREPLAY" diff -q --align "$align" "${@:3}" "$base" "$BENCH/diff-$other.blkr"
    printf 'diff --align %-8s %-8s %s s, %s million requests a second of both, %s MiB resident\n' "$align" "$other" \
        "$seconds" "$(rate $((2 * requests)) "$seconds")" $((memory >> 20))
}

for other in same changed edited; do
    differs=1
    if [ "$other" = same ]; then
        differs=0
    fi
    compare epoch "$other"
    last=$seconds
    compare key "$other"
    # Recorded apart, requests come in another order: that is nothing to compare by order.
    if [ "$other" = edited ]; then
        compare order "$other"
        compare conflict "$other"
    fi
    # The traces have digests of data and no data: what is held against each other is where was written.
    if [ "$other" = same ]; then
        compare state "$other" --ignore payload
    fi
    peer=0
    for text in base "$other"; do
        expect 0 "$BENCH/diff-$text.txt" "$BLKREPLAY" print --format canonical "$BENCH/diff-$text.blkr"
        peer=$(python3 -c "print($peer + $seconds)")
    done
    expect "$differs" /dev/null cmp "$BENCH/diff-base.txt" "$BENCH/diff-$other.txt"
    peer=$(python3 -c "print($peer + $seconds)")
    printf '  canonical text and cmp   %s s, %s times as long as epoch\n' "$peer" "$(ratio "$peer" "$last")"
done
echo 'targets, for 10 million requests: same by epoch 1 s; different 5 million a second; key, different 3 times same; 256 MiB'
rm -f "$BENCH"/diff-*.txt "$BENCH"/diff-*.blkr
