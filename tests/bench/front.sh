#!/usr/bin/env bash
# How fast clients get through `record`, beside nbdkit (plain, and with its log filter) and qemu-nbd on the same image, and how fast
# `replay --order none` does again what fio's read_iolog does again. Targets, as ratios to plain nbdkit, with --payload hash: 4 KiB
# reads 1.4 and writes 1.15 with one connection, 2 and 1.5 with four; from a disk at least 1, half from a disk 1.5. As ratios to -o none:
# --payload hash 0.93 at 4 KiB and 0.88 at 128 KiB, --payload write 0.8 and 0.5 of the writes. Replay: 1.5 times fio.
#
#   tests/bench/front.sh [--rounds N] [--seconds N] [--size MIB] [--only WORD] [--json FILE]
#
# The servers take turns, each in every round, and the medians of the rounds are compared. --only picks what has WORD in its name.
# Needs fio, nbdkit and qemu-nbd, and 5 GiB below target/bench.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/prepare.sh"

for tool in fio nbdkit qemu-nbd; do
    if ! command -v "$tool" >/dev/null; then
        echo "$tool is not installed: apt-get install fio nbdkit qemu-utils" >&2
        exit 1
    fi
done
place="$BENCH/front"
rm -rf "$place"
mkdir -p "$place"
trap 'rm -rf "$place"' EXIT
python3 tests/bench/front.py "$BLKREPLAY" "$place" "$@"
