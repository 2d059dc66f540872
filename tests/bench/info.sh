#!/usr/bin/env bash
# How long `info` takes for a trace of 100 million requests, and how much memory. Target: 200 ms and 256 MiB,
# with the file in the page cache, as it is right after it was written.
#
#   tests/bench/info.sh [REQUESTS]
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/prepare.sh"

requests=${1:-100000000}
trace=$(trace_of "$requests")
bytes=$(stat -c %s "$trace")
"$BLKREPLAY" info "$trace"
times=()
for _ in 1 2 3 4 5; do
    read -r seconds memory < <(measure /dev/null "$BLKREPLAY" info "$trace")
    times+=("$seconds")
done
median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 3p)
# The yardstick: a file has to be read at least once to be counted without an index.
read -r whole _ < <(measure /dev/null cat "$trace")
printf 'info    %s requests, %s bytes: %s s (target 0.2), %s MiB resident (target 256)\n' "$requests" \
    "$bytes" "$median" $((memory >> 20))
printf 'cat     %s s, %s times as long\n' "$whole" "$(ratio "$whole" "$median")"
