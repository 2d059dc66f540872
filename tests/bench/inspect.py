"""Measures the inspector at a terminal of its own: inspect.py PROGRAM TRACE FILTER.

Prints seconds to the first frame, to the last request (G), to the first hit of the filter, until it is done, and for a move while it looks;
then resident bytes at the end.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time


def main():
    program, trace, text = sys.argv[1:]
    pid, terminal = pty.fork()
    if pid == 0:
        # The size is set before the program looks at it.
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.execv(program, [program, "inspect", trace])
    seen = b""

    def until(wanted):
        nonlocal seen
        begun = time.monotonic()
        while True:
            ready, _, _ = select.select([terminal], [], [], 120)
            if not ready:
                sys.exit(f"waited for {wanted}; came {seen[-2000:]}")
            seen += os.read(terminal, 1 << 16)
            if wanted(seen):
                return time.monotonic() - begun

    def keys(typed, wanted):
        nonlocal seen
        seen = b""
        os.write(terminal, typed)
        return until(wanted)

    first = until(lambda out: b"requests" in out and b"data" in out)
    last = keys(b"G", lambda out: b">" in out)
    keys(b"g", lambda out: b">" in out)
    hit = keys(b"f" + text.encode() + b"\r", lambda out: b">" in out and b" of " in out)
    move = keys(b"j", lambda out: b">" in out)
    begun = time.monotonic()
    # The line says ~ until it is done; it is drawn in parts, so the whole screen is asked for.
    while True:
        if b"~" not in screen(keys, b"\x0c"):
            break
        time.sleep(0.05)
    done = hit + move + time.monotonic() - begun
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        high = next(line for line in status if line.startswith("VmHWM"))
    os.write(terminal, b"Q")
    os.waitpid(pid, 0)
    print(first, last, hit, done, move, int(high.split()[1]) * 1024)


def screen(keys, redraw):
    held = []

    def whole(out):
        held[:] = [out]
        return b"q quit" in out

    keys(redraw, whole)
    return held[0]


main()
