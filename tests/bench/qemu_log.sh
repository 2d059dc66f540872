#!/usr/bin/env bash
# How fast `info` decodes and counts a QEMU log of 1 GB: the events of a recorded boot of Linux, again and again between one
# header and one end. Target: 300 MB/s on one core, and memory that does not grow with the log. And how long `inspect` takes until all
# is known of it, the first time and the second, when it has kept an index. Target: 0.2 s the second time.
#
#   tests/bench/qemu_log.sh [BYTES] [REPLAY-DUMP.py]
#
# The second is QEMU's own dumper, scripts/replay-dump.py of its sources, which is not part of this project: it runs
# beside it, on the log as it was recorded, because it takes half an hour for one of 1 GB.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/prepare.sh"

bytes=${1:-1000000000}
dumper=${2:-}
recorded=$BENCH/q100-linux_a.rr
log=$BENCH/q100-linux-$bytes.rr
[[ -e $recorded ]] || zstd -dqo "$recorded" fixtures/data/qemu/logs/q100-linux_a.rr.zst
[[ -e $log ]] || python3 - "$recorded" "$log" "$bytes" <<'PY'
import sys
recorded, log, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
whole = open(recorded, "rb").read()
header, events, end = whole[:12], whole[12:-1], whole[-1:]
with open(log, "wb") as out:
    out.write(header)
    while out.tell() + len(events) < wanted:
        out.write(events)
    out.write(end)
PY

"$BLKREPLAY" info "$log" | head -1
size=$(stat -c %s "$log")
times=()
for _ in 1 2 3 4 5; do
    read -r seconds memory < <(measure /dev/null "$BLKREPLAY" info "$log")
    times+=("$seconds")
done
best=$(printf '%s\n' "${times[@]}" | sort -n | head -1)
read -r _ small_memory < <(measure /dev/null "$BLKREPLAY" info "$recorded")
read -r whole _ < <(measure /dev/null cat "$log")
printf 'info         %s MB/s (target 300), %s MiB resident (%s MiB for the log of 8 MB)\n' "$(rate "$size" "$best")" \
    $((memory >> 20)) $((small_memory >> 20))
printf 'cat          %s times as fast\n' "$(ratio "$best" "$whole")"
# Only an absolute path names a folder for caches; with another one the index would go into the home.
caches=$(realpath "$BENCH")/caches
rm -rf "$caches"
trap 'rm -rf "$caches"' EXIT
# It says what it sees when all is known, and ends when no more lines come.
open_log() { XDG_CACHE_HOME=$caches measure /dev/null "$BLKREPLAY" inspect --plain "$log" </dev/null; }
read -r first first_memory < <(open_log)
times=()
for _ in 1 2 3 4 5; do
    read -r seconds memory < <(open_log)
    times+=("$seconds")
done
second=$(printf '%s\n' "${times[@]}" | sort -n | head -1)
printf 'inspect      all known after %s s, %s MiB resident; the second time after %s s (target 0.2), %s MiB, %s times as fast\n' \
    "$first" $((first_memory >> 20)) "$second" $((memory >> 20)) "$(ratio "$first" "$second")"
printf 'index        %s bytes\n' "$(cat "$caches"/blkreplay/* | wc -c)"
if [[ -z $dumper ]]; then
    echo "replay-dump  not given: its rate is not measured"
elif ! command -v python3 >/dev/null; then
    echo "replay-dump  needs python3, which is not there"
else
    small=$(stat -c %s "$recorded")
    read -r seconds _ < <(measure /dev/null python3 "$dumper" -f "$recorded")
    slow=$(rate "$small" "$seconds")
    printf 'replay-dump  %s MB/s, info %s times as fast\n' "$slow" "$(ratio "$(rate "$size" "$best")" "$slow")"
fi
