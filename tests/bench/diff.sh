#!/usr/bin/env bash
# How fast two traces are compared. Targets: two traces of 10 million requests that say the same, recorded apart, in 1 s; two
# different ones at 5 million requests a second; 256 MiB resident.
#
#   tests/bench/diff.sh [REQUESTS]
#
# The peer in the same run is what one would do without `diff`: both traces printed as canonical text, sorted, and given to `cmp`.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/prepare.sh"

requests=${1:-10000000}
# It makes the traces: the same work recorded twice, and work of which one request in a thousand wrote something else,
# recorded apart (changed) and in the same order (edited).
cargo bench --locked --quiet -p blkreplay-core --bench diff -- "$requests"
base="$BENCH/diff-base.blkr"

for other in same changed edited; do
    new="$BENCH/diff-$other.blkr"
    for align in epoch order key; do
        # Recorded apart, requests come in another order: that is nothing to compare by order.
        if [ "$align" = order ] && [ "$other" != edited ]; then
            continue
        fi
        read -r seconds memory < <(measure /dev/null "$BLKREPLAY" diff -q --align "$align" "$base" "$new" || true)
        printf 'diff --align %-6s %-8s %s s, %s million requests a second of both, %s MiB resident\n' "$align" "$other" \
            "$seconds" "$(rate $((2 * requests)) "$seconds")" $((memory >> 20))
        if [ "$align" = epoch ]; then
            last=$seconds
        fi
    done
    # Canonical text has the requests of an epoch in one order, so that equal traces give equal text.
    read -r one _ < <(measure "$BENCH/diff-base.txt" "$BLKREPLAY" print --format canonical "$base")
    read -r two _ < <(measure "$BENCH/diff-new.txt" "$BLKREPLAY" print --format canonical "$new")
    read -r three _ < <(measure /dev/null cmp "$BENCH/diff-base.txt" "$BENCH/diff-new.txt" || true)
    peer=$(python3 -c "print($one + $two + $three)")
    printf '  canonical text and cmp   %s s, %s times as long as epoch\n' "$peer" "$(ratio "$last" "$peer")"
done
rm -f "$BENCH"/diff-*.txt "$BENCH"/diff-*.blkr
