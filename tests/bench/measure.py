#!/usr/bin/env python3
"""Runs a command and prints on standard output how long it took and the memory it had at most.

    measure.py OUTPUT COMMAND...    SECONDS BYTES; what the command prints goes to OUTPUT

Ends as the command does.
"""

import resource
import subprocess
import sys
import time

with open(sys.argv[1], "wb") as output:
    started = time.monotonic()
    status = subprocess.call(sys.argv[2:], stdout=output)
    seconds = time.monotonic() - started
# The kernel counts in KiB.
print(f"{seconds:.4f} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024}")
sys.exit(status)
