#!/usr/bin/env bash
# How fast `stats` is, beside `print --json` of the same trace: it should be no slower. And its latencies beside those that fio
# reports of a run at depth 1, where the way between fio and the recorder is small against the disk.
#
#   tests/bench/stats.sh [REQUESTS] [IMAGE]
#
# IMAGE is opened with --direct, so that the disk and not the page cache answers; without it a file below target/bench is. The way is the
# same whatever the disk: requests are long (256 KiB) to make it small. Target: our percentiles within 20 % below fio's.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/prepare.sh"

requests=${1:-1000000}
trace=$(trace_of "$requests")
counted() {
    local seconds memory one
    "$BLKREPLAY" "$@" "$trace" >/dev/null
    read -r seconds memory < <(measure /dev/null "$BLKREPLAY" "$@" "$trace")
    read -r one _ < <(measure /dev/null taskset -c 0 "$BLKREPLAY" "$@" "$trace")
    printf '%-14s %s s, on one core %s s: %s million requests a second; %s MiB resident\n' "$*" "$seconds" "$one" \
        "$(rate "$requests" "$one")" $((memory >> 20))
    last=$one
}
counted print --json
print=$last
for options in "stats" "stats --by len" "stats -f lat>50us"; do
    # shellcheck disable=SC2086  # the options are words
    counted $options
    printf '  print --json takes %s times as long\n' "$(ratio "$last" "$print")"
done

if ! command -v fio >/dev/null; then
    echo "fio is not installed: its latencies are not compared"
    exit 0
fi
image=${2:-$BENCH/fio.img}
[ $# -ge 2 ] || { [ -e "$image" ] || fallocate -l 256M "$image"; }
for depth in 1 16; do
    "$BLKREPLAY" -q record "$image" -o "$BENCH/fio.blkr" --force --direct --payload none -- \
        fio --name=job --ioengine=nbd '--uri={uri}' --rw=randrw --bs=256k --size=256M --fsync=64 --iodepth=$depth \
        --clocksource=clock_gettime --clat_percentiles=0 --lat_percentiles=1 --output-format=json+ "--output=$BENCH/fio.json"
    "$BLKREPLAY" stats "$BENCH/fio.blkr" --json >"$BENCH/fio-stats.json"
    python3 - "$depth" "$BENCH/fio.json" "$BENCH/fio-stats.json" <<'PY'
import json, sys
depth, fio, own = sys.argv[1], open(sys.argv[2]).read(), json.load(open(sys.argv[3]))
fio = json.loads(fio[fio.index("{"):])["jobs"][0]
for direction in "read", "write":
    parts = []
    for name, percent in ("p50", "50.000000"), ("p90", "90.000000"), ("p99", "99.000000"):
        theirs = fio[direction]["lat_ns"]["percentile"][percent]
        ours = own["operations"][direction]
        parts.append(f"{name} {ours['latency'][name] / theirs:.2f} ({ours['total'][name] / theirs:.2f})")
    print(f"depth {depth:<3} {direction:<6} latency (and hold) as part of fio's: {'  '.join(parts)}")
PY
done
