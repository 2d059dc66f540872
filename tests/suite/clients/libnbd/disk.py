"""A connection of libnbd whose requests are noted, and the list of all cases.

Invariant: what libnbd itself would refuse is let through to the server (strict mode 0).
"""

import os
from urllib.parse import parse_qs, urlsplit

import nbd

MIB = 1 << 20
SIZE = 96 * MIB
"""Of the first export; the second has a megabyte."""

LONGEST = 64 * MIB
IN_ONE_CHUNK = 32 * MIB

CASES = {}
ASKED = []


def case(group, options="--write"):
    """Makes a case of a function: it is run while `record` runs with these options."""

    def kept(function):
        CASES[function.__name__] = (group, options, function)
        return function

    return kept


class Disk:
    """A connection, whose requests are noted. `agreed` is called with it before the export is chosen."""

    def __init__(self, export="", contexts=(nbd.CONTEXT_BASE_ALLOCATION,), agreed=None, uri=None):
        self.nbd = nbd.NBD()
        self.nbd.set_strict_mode(0)
        self.nbd.set_export_name(export)
        for context in contexts:
            self.nbd.add_meta_context(context)
        if agreed:
            agreed(self.nbd)
        if uri:
            self.nbd.connect_uri(uri)
        else:
            self.nbd.connect_unix(socket_path())
        self.device = "two" if export == "1" else "disk"

    def ask(self, op, off, length, flags, result, call):
        """Calls, and asserts that this, or one of these, comes of it: `ok`, or the name of an error."""
        shown = [
            name
            for (name, flag, ops) in [
                ("fua", nbd.CMD_FLAG_FUA, ["write", "write_zeroes", "discard"]),
                ("no_hole", nbd.CMD_FLAG_NO_HOLE, ["write_zeroes"]),
                ("fast_zero", nbd.CMD_FLAG_FAST_ZERO, ["write_zeroes"]),
                ("req_one", nbd.CMD_FLAG_REQ_ONE, ["block_status"]),
            ]
            if flags & flag and op in ops
        ]
        found, answer = "ok", None
        try:
            answer = call()
        except nbd.Error as error:
            found = error.errno or str(error)
        due = [result] if isinstance(result, str) else result
        assert found in due, f"{op} {off}+{length} with flags {flags:#x}: {found}, not {due}"
        if found not in ("ok", "ENOTSUP"):
            shown.append("refused")
        request = {"dev": self.device, "op": op, "off": off, "len": length, "flags": shown}
        ASKED.append({**request, "result": found})
        return answer

    def read(self, off, length, flags=0, result="ok"):
        return self.ask("read", off, length, flags, result, lambda: self.nbd.pread(length, off, flags))

    def chunks(self, off, length, flags=0, result="ok"):
        """Reads, and gives the places and lengths of the pieces in which the answer came."""
        came = []

        def chunk(data, offset, status, _error):
            came.append((offset, len(data), status))

        def call():
            self.nbd.pread_structured(length, off, chunk, flags)

        self.ask("read", off, length, flags, result, call)
        return came

    def write(self, off, data, flags=0, result="ok"):
        self.ask("write", off, len(data), flags, result, lambda: self.nbd.pwrite(data, off, flags))

    def zero(self, off, length, flags=0, result="ok"):
        call = lambda: self.nbd.zero(length, off, flags)
        self.ask("write_zeroes", off, length, flags, result, call)

    def trim(self, off, length, flags=0, result="ok"):
        self.ask("discard", off, length, flags, result, lambda: self.nbd.trim(length, off, flags))

    def cache(self, off, length, flags=0, result="ok"):
        self.ask("cache", off, length, flags, result, lambda: self.nbd.cache(length, off, flags))

    def flush(self, flags=0, result="ok"):
        self.ask("flush", 0, 0, flags, result, lambda: self.nbd.flush(flags))

    def status(self, off, length, flags=0, result="ok"):
        """Gives the extents that were told, by context."""
        told = {}

        def extents(context, offset, entries, _error):
            assert offset == off and context not in told, "a context is told of once"
            told[context] = list(zip(entries[::2], entries[1::2]))

        def call():
            self.nbd.block_status(length, off, extents, flags)

        self.ask("block_status", off, length, flags, result, call)
        return told

    def every(self, off, length):
        """A request of each kind that has a range, as a function of flags and a result."""
        return {
            "read": lambda flags, result: self.read(off, length, flags, result),
            "write": lambda flags, result: self.write(off, b"w" * length, flags, result),
            "write_zeroes": lambda flags, result: self.zero(off, length, flags, result),
            "discard": lambda flags, result: self.trim(off, length, flags, result),
            "cache": lambda flags, result: self.cache(off, length, flags, result),
            "block_status": lambda flags, result: self.status(off, length, flags, result),
        }


def socket_path():
    return parse_qs(urlsplit(os.environ["BLKREPLAY_URI"]).query)["socket"][0]


def fails(error, call):
    """Asserts that a call of libnbd fails with this."""
    try:
        call()
    except nbd.Error as found:
        assert found.errno == error, f"{found.errno} ({found}), not {error}"
    else:
        raise AssertionError(f"it worked, and {error} was due")


def in_options(**keywords):
    """A connection that still negotiates."""
    return Disk(agreed=lambda handle: handle.set_opt_mode(True), **keywords).nbd
