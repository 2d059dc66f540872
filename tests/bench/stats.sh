#!/usr/bin/env bash
# How fast `stats` is, beside `print --json` of the same trace. And its latencies beside those that fio reports of a run at depth 1,
# where the way between fio and the recorder is small against the disk: one that nbdkit makes slow, which nbdfuse makes a file of.
# Target: our percentiles within 20 % below fio's. At depth 16 what fio queues up is in its latency and not in ours.
#
#   tests/bench/stats.sh [REQUESTS]
#
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

for tool in fio nbdkit nbdfuse; do
    if ! command -v "$tool" >/dev/null; then
        echo "$tool is not installed: latencies are not compared with fio's"
        exit 0
    fi
done
place=$(mktemp -d)
mkdir "$place/fuse"
nbdfuse "$place/fuse" --command nbdkit -s --exit-with-parent --filter=delay memory 64M rdelay=20ms wdelay=20ms &
fuse=$!
trap 'kill $fuse; wait $fuse || true; rm -rf "$place"' EXIT
until [ -e "$place/fuse/nbd" ]; do
    kill -0 $fuse
    sleep 0.1
done
for depth in 1 16; do
    "$BLKREPLAY" -q record "$place/fuse/nbd" -o "$place/fio.blkr" --force --direct --write --payload none --fingerprint none -- \
        fio --name=job --ioengine=nbd '--uri={uri}' --rw=randrw --bs=4k --size=64M --io_size=2M --iodepth=$depth \
        --clocksource=clock_gettime --clat_percentiles=0 --lat_percentiles=1 --output-format=json+ "--output=$place/fio.json"
    "$BLKREPLAY" stats "$place/fio.blkr" --json >"$place/stats.json"
    python3 - "$depth" "$place/fio.json" "$place/stats.json" <<'PY'
import json, sys
depth, fio, own = sys.argv[1], open(sys.argv[2]).read(), json.load(open(sys.argv[3]))
fio = json.loads(fio[fio.index("{"):])["jobs"][0]
for direction in "read", "write":
    ours, theirs = own["operations"][direction], fio[direction]
    assert ours["requests"] == theirs["total_ios"] and ours["bytes"] == theirs["io_bytes"]
    parts = []
    for name, percent in ("p50", "50.000000"), ("p90", "90.000000"), ("p99", "99.000000"):
        its = theirs["lat_ns"]["percentile"][percent]
        parts.append(f"{name} {ours['latency'][name] / its:.2f}, with hold {ours['total'][name] / its:.2f}")
    print(f"depth {depth:<3} {direction:<6} as part of fio's: {'; '.join(parts)}")
PY
done
