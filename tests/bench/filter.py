#!/usr/bin/env python3
"""Runs a command on one core and prints on standard output how soon it found something, how long it took, and what of a core
and of memory.

    filter.py MARK COMMAND...    FIRST SECONDS CORE BYTES LINES; FIRST is when a line with MARK had come, in ms, or -, LINES is how many

Ends as the command does.
"""

import os
import resource
import subprocess
import sys
import time

mark, command = sys.argv[1].encode(), sys.argv[2:]
started = time.monotonic()
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
first, lines = None, 0
with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
    for line in process.stdout:
        if mark in line:
            first = first or time.monotonic() - started
            lines += 1
seconds = time.monotonic() - started
used = resource.getrusage(resource.RUSAGE_CHILDREN)
core = used.ru_utime + used.ru_stime
# The kernel counts in KiB.
print(f"{'-' if first is None else round(first * 1000)} {seconds:.4f} {core:.4f} {used.ru_maxrss * 1024} {lines}")
sys.exit(process.returncode)
