#!/usr/bin/env bash
# How fast `print --json` is. Target: 1 million events a second on one core, to which it and its peers are bound.
#
#   tests/bench/print.sh [REQUESTS]
#
# The yardsticks work on the same lines in the same run: `wc -l` only counts them, `zstd -d` unpacks them,
# `jq -c .` reads and prints them.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/prepare.sh"

requests=${1:-1000000}
trace=$(trace_of "$requests")
lines="$BENCH/lines.jsonl"

# Prints a line about `print` with the options given, and leaves what it printed in $lines.
printed() {
    local seconds memory count free
    taskset -c 0 "$BLKREPLAY" print "$trace" "$@" >/dev/null
    read -r seconds memory < <(measure "$lines" taskset -c 0 "$BLKREPLAY" print "$trace" "$@")
    count=$(wc -l <"$lines")
    printf '%-24s %s s, %s million events and %s million lines a second, %s MiB resident\n' "print $*" \
        "$seconds" "$(rate "$all_events" "$seconds")" "$(rate "$count" "$seconds")" $((memory >> 20))
    read -r free _ < <(measure /dev/null "$BLKREPLAY" print "$trace" "$@")
    printf '  %-22s %s s, %s million events a second\n' "on all cores" "$free" "$(rate "$all_events" "$free")"
    last=$seconds
}

# Prints a line about a peer at work on $lines.
peer() {
    local seconds
    read -r seconds _ < <(measure /dev/null taskset -c 0 "$@")
    printf '  %-22s %s s, %s times as long\n' "$1" "$seconds" "$(ratio "$seconds" "$last")"
}

all_events=$("$BLKREPLAY" info --json "$trace" | python3 -c 'import json, sys; print(json.load(sys.stdin)["events"])')
for options in "--json" "--events --json"; do
    # shellcheck disable=SC2086  # the options are words
    printed $options
    peer wc -l "$lines"
    zstd -q -f -1 "$lines" -o "$lines.zst"
    peer zstd -q -d -c "$lines.zst"
    if command -v jq >/dev/null; then
        peer jq -c . "$lines"
    else
        echo "  jq is not installed: not compared"
    fi
done
rm -f "$lines" "$lines.zst"
