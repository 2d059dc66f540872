#!/usr/bin/env python3
"""Runs fio against NBD servers on one image, in turns, and prints medians and ratios.

    front.py BLKREPLAY PLACE [--rounds N] [--seconds N] [--size MIB] [--only WORD] [--json FILE]

How the image came into the page cache decides how fast 4 KiB writes are (ext4 keeps what was read ahead in large pieces), so before every
measurement it is dropped and written again in pieces of 4 KiB. A loop of plain 4 KiB writes, the canary, tells whether that worked. Before
writes are measured, as much memory as a trace may take is used and given back: where the system gives back to a host what it does not
use, fresh memory would be measured.

Where the system puts a client and its server on one processor, both are slower by a quarter, and whether it does is luck. So what has one
connection is also measured with a processor for each.
"""

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import time

PEER, OURS = "nbdkit file", "record -o none"
# What is measured with a processor each: what needs no more than one.
ALONE = (PEER, OURS, "record --payload hash")

# Memory that is used before writes are measured, in MiB.
WARM_MIB = 3000

# What a workload with one connection is called where client and server have a processor each.
APART = ", a processor each"

# Name, how fio asks, connections, what lies in the page cache.
WORKLOADS = [
    (f"{name}, {jobs} connection{'s' if jobs > 1 else ''}{where}", how, jobs, "all")
    for name, how in [
        ("4 KiB random read, depth 32", ["--rw=randread", "--bs=4k", "--iodepth=32"]),
        ("4 KiB random write, depth 32", ["--rw=randwrite", "--bs=4k", "--iodepth=32"]),
        ("128 KiB read, depth 8", ["--rw=read", "--bs=128k", "--iodepth=8"]),
        ("128 KiB write, depth 8", ["--rw=write", "--bs=128k", "--iodepth=8"]),
    ]
    for jobs, where in ((1, ""), (1, APART), (4, ""))
] + [
    ("4 KiB random read from the disk", ["--rw=randread", "--bs=4k", "--iodepth=32"], 1, "none"),
    ("4 KiB random read, half from the disk", ["--rw=randread", "--bs=4k", "--iodepth=32"], 1, "half"),
]

# Name, workload's kind, against whom, and the least ratio that is wanted.
TARGETS = [
    ("record --payload hash", "4 KiB random read, depth 32, 1 connection", PEER, 1.4),
    ("record --payload hash", "4 KiB random read, depth 32, 1 connection" + APART, PEER, 1.4),
    ("record --payload hash", "4 KiB random write, depth 32, 1 connection", PEER, 1.15),
    ("record --payload hash", "4 KiB random write, depth 32, 1 connection" + APART, PEER, 1.15),
    ("record --payload hash", "4 KiB random read, depth 32, 4 connections", PEER, 2.0),
    ("record --payload hash", "4 KiB random write, depth 32, 4 connections", PEER, 1.5),
    ("record --payload hash", "4 KiB random read from the disk", PEER, 1.0),
    ("record --payload hash", "4 KiB random read, half from the disk", PEER, 1.5),
    ("record --payload write", "4 KiB random write, depth 32, 1 connection", OURS, 0.8),
    ("record --payload write", "128 KiB write, depth 8, 1 connection", OURS, 0.5),
] + [
    ("record --payload hash", workload + where, OURS, wanted)
    for workload, wanted in [
        ("4 KiB random read, depth 32, 1 connection", 0.93),
        ("4 KiB random write, depth 32, 1 connection", 0.93),
        ("128 KiB read, depth 8, 1 connection", 0.88),
        ("128 KiB write, depth 8, 1 connection", 0.88),
    ]
    for where in ("", APART)
]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("blkreplay")
    parser.add_argument("place")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--size", type=int, default=512, help="of the image, in MiB")
    parser.add_argument("--operations", type=int, default=500_000, help="that are replayed")
    parser.add_argument("--only", default="", help="what has this word in its name")
    parser.add_argument("--json", help="a file for the figures")
    args = parser.parse_args()
    # qemu-nbd takes no other path of a socket.
    args.place = os.path.abspath(args.place)
    return args


def servers(args, image, socket):
    """Names, with the command that serves the image there."""
    trace = os.path.join(args.place, "t.blkr")
    ours = [args.blkreplay, "-q", "record", image, "--write", "--force", "--fingerprint", "none", "--listen", f"unix:{socket}"]
    nbdkit = ["nbdkit", "--foreground", "--unix", socket]
    return {
        PEER: [*nbdkit, "file", image],
        "nbdkit --filter=log": [*nbdkit, "--filter=log", "file", image, f"logfile={os.path.join(args.place, 'log')}"],
        "qemu-nbd": ["qemu-nbd", "--format=raw", "--cache=writeback", "--aio=io_uring", "--shared=8", "--persistent", "--socket", socket, image],
        OURS: [*ours, "-o", "none"],
        "record --payload hash": [*ours, "-o", trace, "--payload", "hash"],
        "record --payload write": [*ours, "-o", trace, "--payload", "write"],
    }


def fill(image, size, cached):
    """Puts the image into the page cache in pieces of 4 KiB: all of it, its first half, or nothing."""
    with open(image, "r+b", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        block = random.Random(1).randbytes(4096)
        for offset in range(0, size, 4096):
            os.pwrite(file.fileno(), block, offset)
        if cached != "all":
            os.fsync(file.fileno())
            start = size // 2 if cached == "half" else 0
            os.posix_fadvise(file.fileno(), start, 0, os.POSIX_FADV_DONTNEED)


def canary(image, size):
    """Plain 4 KiB writes a second into the image as it lies in the page cache."""
    rng, block, count = random.Random(2), bytes(4096), 20_000
    places = [rng.randrange(size // 4096) * 4096 for _ in range(count)]
    with open(image, "r+b", buffering=0) as file:
        started = time.monotonic()
        for place in places:
            os.pwrite(file.fileno(), block, place)
        return count / (time.monotonic() - started)


def warm(place):
    """Uses memory, and gives it back."""
    file = os.path.join(place, "warm")
    with open(file, "wb", buffering=0) as used:
        for _ in range(WARM_MIB):
            used.write(bytes(1 << 20))
    os.remove(file)


def fio(*words, processor=None):
    """Runs fio and gives what it says."""
    command = ["fio", "--output-format=json", "--name=bench", *words]
    if processor is not None:
        command.append(f"--cpus_allowed={processor}")
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"fio ended with {done.returncode}: fio {' '.join(words)}")
    # Before the object it may complain.
    text = done.stdout.decode()
    return json.loads(text[text.index("{"):])["jobs"]


def rate(jobs):
    """Requests a second of all jobs."""
    total = sum(job[kind]["total_ios"] for job in jobs for kind in ("read", "write"))
    longest = max(job[kind]["runtime"] for job in jobs for kind in ("read", "write"))
    return total / max(longest, 1) * 1000


def serve(command, socket, processor=None):
    """A server that listens, on one processor or wherever it likes."""
    if os.path.exists(socket):
        os.remove(socket)
    if processor is not None:
        command = ["taskset", "--cpu-list", str(processor), *command]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in range(500):
        if os.path.exists(socket):
            return server
        if server.poll() is not None:
            break
        time.sleep(0.02)
    sys.exit(f"this does not serve: {' '.join(command)}")


def measure(args, image, size, command, workload):
    """Requests a second."""
    socket = os.path.join(args.place, "s")
    name, how, jobs, cached = workload
    theirs, ours = sorted(os.sched_getaffinity(0))[:2] if name.endswith(APART) else (None, None)
    # What the last one left is not to be overwritten, but made anew.
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(args.place, "t.blkr"))
    fill(image, size, cached)
    if "write" in name:
        warm(args.place)
    server = serve(command, socket, ours)
    try:
        if cached == "all":
            limits = [f"--runtime={args.seconds}", "--time_based", "--norandommap", "--randrepeat=0"]
        else:
            # Each block once, as a second look would find it in the cache.
            limits = [f"--io_size={size}", "--randrepeat=0"]
        words = ["--ioengine=nbd", f"--uri=nbd+unix:///?socket={socket}", f"--size={size}", "--group_reporting=0"]
        return rate(fio(*words, *how, f"--numjobs={jobs}", *limits, processor=theirs))
    finally:
        server.terminate()
        server.wait()


def fronts(args, image, size):
    """Medians by workload and server, and the canaries."""
    workloads = [one for one in WORKLOADS if args.only in one[0]]
    if len(os.sched_getaffinity(0)) < 2:
        workloads = [one for one in workloads if not one[0].endswith(APART)]
    commands = servers(args, image, os.path.join(args.place, "s"))
    compared = {one[0]: [name for name in commands if name in ALONE or not one[0].endswith(APART)] for one in workloads}
    found = {one: {name: [] for name in names} for one, names in compared.items()}
    canaries = []
    for turn in range(args.rounds):
        for workload in workloads:
            names = compared[workload[0]]
            # Nobody is always the first.
            for name in names[turn % len(names):] + names[:turn % len(names)]:
                found[workload[0]][name].append(measure(args, image, size, commands[name], workload))
            fill(image, size, "all")
            canaries.append(canary(image, size))
        print(f"round {turn + 1} of {args.rounds} is done", file=sys.stderr)
    medians = {one: {name: statistics.median(rates) for name, rates in by.items()} for one, by in found.items()}
    return medians, canaries


def replays(args, image, size):
    """Operations a second of fio's read_iolog and of ours, medians."""
    socket, trace = os.path.join(args.place, "s"), os.path.join(args.place, "replayed.blkr")
    fill(image, size, "all")
    ours = [args.blkreplay, "-q"]
    server = serve([*ours, "record", image, "--write", "--fingerprint", "none", "--listen", f"unix:{socket}", "-o", trace], socket)
    fio("--ioengine=nbd", f"--uri=nbd+unix:///?socket={socket}", "--rw=randrw", "--rwmixread=70", "--bs=4k", "--iodepth=32",
        f"--size={size}", f"--io_size={args.operations * 4096}", "--norandommap")
    server.terminate()
    server.wait()
    iolog, count = os.path.join(args.place, "iolog"), 0
    with open(iolog, "w", encoding="ascii") as log:
        log.write(f"fio version 3 iolog\n0 {image} add\n0 {image} open\n")
        printed = subprocess.Popen([*ours, "print", trace, "--json"], stdout=subprocess.PIPE)
        for line in printed.stdout:
            row = json.loads(line)
            if row["op"] in ("read", "write"):
                log.write(f"0 {image} {row['op']} {row['off']} {row['len']}\n")
                count += 1
        log.write(f"0 {image} close\n")
    found = {"fio read_iolog, io_uring": [], "replay --order none": []}
    for turn in range(args.rounds):
        for name in list(found)[:: 1 if turn % 2 else -1]:
            fill(image, size, "all")
            if name.startswith("fio"):
                words = [f"--read_iolog={iolog}", "--replay_no_stall=1", "--ioengine=io_uring", "--iodepth=32", "--invalidate=0"]
                found[name].append(rate(fio(*words)))
            else:
                words = ["replay", trace, image, "--write", "--any-image", "--order", "none", "--timing", "asap", "--depth", "32", "--json"]
                done = subprocess.run([*ours, *words], stdout=subprocess.PIPE, check=False)
                told = json.loads(done.stdout.decode().splitlines()[-1])
                if done.returncode != 0:
                    sys.exit(f"replay ended with {done.returncode}: {told}")
                found[name].append(count / (told["duration"] / 1e9))
    return {name: statistics.median(rates) for name, rates in found.items()}, count


def table(medians):
    """Prints requests a second, and ratios to the peer."""
    for workload, by in medians.items():
        print(f"\n{workload}")
        for name, value in by.items():
            print(f"  {name:<26} {value:>10,.0f} a second   {value / by[PEER]:>5.2f} of {PEER}   {value / by[OURS]:>5.2f} of {OURS}")


def judged(medians):
    """Prints every target with what came of it; gives them."""
    print()
    told = []
    for name, workload, peer, wanted in TARGETS:
        if workload in medians:
            ratio = medians[workload][name] / medians[workload][peer]
            told.append({"server": name, "workload": workload, "of": peer, "wanted": wanted, "ratio": round(ratio, 3)})
            print(f"  {'met' if ratio >= wanted else 'NOT'}  {ratio:>5.2f} wanted {wanted:>4}  {name}, {workload}, of {peer}")
    return told


def main():
    args = arguments()
    image, size = os.path.join(args.place, "disk.img"), args.size << 20
    with open(image, "wb") as file:
        file.truncate(size)
    told = {"rounds": args.rounds, "seconds": args.seconds, "size": size, "cpus": os.cpu_count()}
    medians, canaries = fronts(args, image, size)
    table(medians)
    told["fronts"], told["targets"] = medians, judged(medians)
    if canaries:
        told["canaries"] = [round(one) for one in canaries]
        print(f"\n  plain 4 KiB writes meanwhile: {min(canaries):,.0f} to {max(canaries):,.0f} a second")
    if args.only in "replay":
        again, count = replays(args, image, size)
        theirs, ours = again.values()
        print(f"\nreplay of {count:,} requests of 4 KiB, depth 32")
        for name, value in again.items():
            print(f"  {name:<26} {value:>10,.0f} a second   {value / theirs:>5.2f} of fio")
        print(f"\n  {'met' if ours / theirs >= 1.5 else 'NOT'}  {ours / theirs:>5.2f} wanted  1.5  replay of fio")
        told["replay"] = again
    if args.json:
        with open(args.json, "w", encoding="ascii") as file:
            json.dump(told, file, indent=1)


main()
