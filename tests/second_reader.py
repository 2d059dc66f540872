#!/usr/bin/env python3
"""A second reader of traces, written from book/src/reference/format.md and nothing else.

    second_reader.py TRACE              what `blkreplay print --json TRACE` prints
    second_reader.py TRACE --events     what `blkreplay print --events --json TRACE` prints
    second_reader.py TRACE --payload N  the bytes of payload N
    second_reader.py TRACE --check      nothing, if summaries and indexes say what the events say

It shows that the page is enough to read a trace. It does not verify digests and holds the whole trace in
memory. Exit codes are those of blkreplay: 2 refused, 3 not whole; and 1 if --check finds a fault.

Needs the Python standard library and the module zstandard.
"""

import json
import struct
import sys
import unicodedata

import zstandard

# Header and Chunks: limits and numbers of the page.
MAGIC = bytes.fromhex("89424c4b520d0a1a0a000000")
HEADER_LEN_MAX = 1_048_576
CHUNK_HEADER_LEN = 84
CHUNK_HEADER_LEN_MAX = 4_096
SUMMARY_LEN_MAX = 1_048_576
BODY_LEN_MAX = 76_546_048
TYPE_EVENTS, TYPE_PAYLOADS, TYPE_INDEX, TYPE_MAY_BE_SKIPPED = 1, 2, 0x8001, 0x8000
COMPAT_INDEX_AT_END = 1
CODEC_STORED, CODEC_ZSTD = 0, 1

OPERATIONS = ["read", "write", "write_zeroes", "discard", "flush", "block_status", "cache"]
FLAGS = ["fua", "no_hole", "fast_zero", "req_one"]
COMPLETION_FLAGS = ["undelivered", "refused"]
CHECKPOINTS = [
    "controller", "clock_warp_start", "clock_warp_account", "reset_requested", "suspend_requested",
    "clock_virtual", "clock_host", "clock_virtual_rt", "init", "reset",
]  # fmt: skip
CLOCKS = ["host", "virtual_rt", "virtual"]
KEYS = ["number", "qcode", "linux"]
CAUSES = [
    "none", "host_error", "host_qmp_quit", "host_qmp_system_reset", "host_signal", "host_ui", "guest_shutdown",
    "guest_reset", "guest_panic", "subsystem_reset", "snapshot_load", "host_qmp",
]  # fmt: skip
EVENT_BYTES_MAX, SAMPLES_MAX = 1_048_576, 65_536
DISCONNECTS = ["asked", "closed", "protocol", "shutdown"]

# Errors that have a name when they are printed (Linux numbers); the others are errno-N.
ERRNO = {
    1: "EPERM", 2: "ENOENT", 4: "EINTR", 5: "EIO", 6: "ENXIO", 9: "EBADF", 11: "EAGAIN", 12: "ENOMEM",
    13: "EACCES", 16: "EBUSY", 19: "ENODEV", 22: "EINVAL", 27: "EFBIG", 28: "ENOSPC", 30: "EROFS",
    61: "ENODATA", 75: "EOVERFLOW", 95: "ENOTSUP", 108: "ESHUTDOWN", 110: "ETIMEDOUT", 116: "ESTALE",
    122: "EDQUOT",
}  # fmt: skip


class Refused(Exception):
    """The page says that a reader must refuse this."""


class Lost(Exception):
    """From here on the trace is not whole."""


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC32C = crc32c_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ CRC32C[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


class Source:
    """Takes numbers from the front of bytes."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def bytes(self, count):
        if count > self.left():
            raise Lost(f"byte {self.at}: {count} bytes are wanted, {self.left()} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def u8(self):
        return self.bytes(1)[0]

    def leb(self, limit=2**64 - 1):
        value = 0
        for place in range(10):
            byte = self.u8()
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                break
        else:
            raise Lost(f"byte {self.at}: a number of more than ten bytes")
        if value > limit:
            raise Lost(f"byte {self.at}: {value} is more than {limit}")
        return value

    def dif(self, expected):
        way = self.leb()
        way = -(way + 1 >> 1) if way & 1 else way >> 1
        return (expected + way) % 2**64

    def sig(self, bits=64):
        number = self.dif(0)
        number -= 2**64 if number >> 63 else 0
        if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            raise Lost(f"byte {self.at}: {number} has more than {bits} bits")
        return number

    def blob(self):
        """Bytes that an event carries itself, as they are printed."""
        return self.bytes(self.leb(EVENT_BYTES_MAX)).hex()

    def bits(self, names):
        """A byte of flags: the names of those that are set. Bits without a name are zero."""
        byte = self.u8()
        if byte >> len(names):
            raise Lost(f"byte {self.at}: unknown bits in {byte:#x}")
        return [name for place, name in enumerate(names) if byte >> place & 1]

    def one_of(self, names):
        number = self.u8()
        if number >= len(names):
            raise Lost(f"byte {self.at}: {number} is none of {names}")
        return names[number]

    def text(self, limit):
        try:
            return self.bytes(self.leb(limit)).decode()
        except UnicodeDecodeError as error:
            raise Lost(f"byte {self.at}: {error}") from error


# ---------------------------------------------------------------- the file


class Trace:
    """A trace: its metadata, then its chunks."""

    def __init__(self, data):
        self.data = data
        if len(data) < 52 or data[:12] != MAGIC:
            raise Refused("no trace begins here")
        major, _minor, header_len, self.compat, incompat = struct.unpack_from("<HHIII", data, 12)
        if major != 1:
            raise Refused(f"major version {major}")
        if not 56 <= header_len <= HEADER_LEN_MAX or header_len > len(data):
            raise Refused(f"header_len {header_len}")
        header = data[:header_len]
        if crc32c(header[:-4]) != struct.unpack("<I", header[-4:])[0]:
            raise Refused("the checksum of the header is wrong")
        self.metadata = json.loads(header[52:-4])
        if incompat:
            names = self.metadata.get("features", {})
            bits = [bit for bit in range(32) if incompat >> bit & 1]
            raise Refused("features " + ", ".join(f"{bit} {names.get(str(bit), '')}" for bit in bits))
        (self.salt,) = struct.unpack_from("<Q", data, 44)
        self.at = header_len

    def chunks(self):
        """Headers and bodies of the chunks of known types, as they lie in the file."""
        sequence, ends_in_index = 0, False
        while self.at < len(self.data):
            chunk = Chunk(self.data, self.at, self.salt, sequence)
            self.at += chunk.length
            sequence += 1
            if chunk.type in (TYPE_EVENTS, TYPE_PAYLOADS, TYPE_INDEX):
                ends_in_index = chunk.type == TYPE_INDEX
                yield chunk
        if self.compat & COMPAT_INDEX_AT_END and not ends_in_index:
            raise Lost("no index")

    def device(self, number):
        devices = self.metadata["devices"]
        return devices[number]["name"] if number < len(devices) else f"device-{number}"


class Chunk:
    """A chunk whose header and summary are whole."""

    def __init__(self, data, at, salt, sequence):
        self.data, self.start = data, at
        if len(data) - at < CHUNK_HEADER_LEN:
            raise Lost("cut")
        if data[at : at + 4] != b"BLKC":
            raise Lost("damaged: no chunk begins here")
        (
            self.type, self.encoding, self.codec, self.header_len, self.summary_len, found_salt,
            found_sequence, self.raw_len, self.stored_len, self.count, self.lost, self.first,
            self.time_first, self.time_last, summary_crc, self.body_crc,
        ) = struct.unpack_from("<HBBHxxIQQIIIIQQQII", data, at + 4)  # fmt: skip
        if not CHUNK_HEADER_LEN <= self.header_len <= CHUNK_HEADER_LEN_MAX:
            raise Lost("damaged: header_len")
        header = data[at : at + self.header_len]
        if len(header) < self.header_len:
            raise Lost("cut")
        # What a later minor version put between byte 80 and the checksum is skipped.
        if crc32c(header[:-4]) != struct.unpack("<I", header[-4:])[0]:
            raise Lost("damaged: the checksum of the chunk header is wrong")
        if self.summary_len > SUMMARY_LEN_MAX or max(self.raw_len, self.stored_len) > BODY_LEN_MAX:
            raise Lost("damaged: a length is beyond its limit")
        self.check_known()
        if (found_salt, found_sequence) != (salt, sequence):
            raise Lost("damaged: the chunk is not the next one of this file")
        self.sequence = sequence
        self.body_at = at + self.header_len + self.summary_len
        self.length = self.header_len + self.summary_len + self.stored_len
        if at + self.length > len(data):
            raise Lost("cut")
        if crc32c(data[at + self.header_len : self.body_at]) != summary_crc:
            raise Lost("damaged: the checksum of the summary is wrong")

    def check_known(self):
        if self.type not in (TYPE_EVENTS, TYPE_PAYLOADS):
            if not self.type & TYPE_MAY_BE_SKIPPED:
                raise Refused(f"a chunk of type {self.type:#06x} at byte {self.start}")
        elif self.encoding not in (BODIES if self.type == TYPE_EVENTS else [0]):
            raise Refused(f"encoding {self.encoding} of the chunk at byte {self.start}")
        elif self.codec not in (CODEC_STORED, CODEC_ZSTD):
            raise Refused(f"codec {self.codec} of the chunk at byte {self.start}")

    def body(self):
        stored = self.data[self.body_at : self.body_at + self.stored_len]
        if crc32c(stored) != self.body_crc:
            raise Lost("damaged: the checksum of the body is wrong")
        if self.codec == CODEC_ZSTD:
            stored = unpack(stored, self.raw_len)
        if len(stored) != self.raw_len:
            raise Lost("damaged: the body does not have raw_len bytes")
        return stored


def unpack(stored, raw_len):
    """One zstd frame, but never more than raw_len bytes of it."""
    try:
        if zstandard.frame_content_size(stored) not in (-1, raw_len):
            raise Lost("damaged: the frame does not hold raw_len bytes")
        return zstandard.ZstdDecompressor().decompress(stored, max_output_size=raw_len)
    except zstandard.ZstdError as error:
        raise Lost(f"damaged: {error}") from error


# ---------------------------------------------------------------- events


def events(trace):
    """(index, event) of all chunks that are whole. An event is a dictionary as it is printed."""
    next_first, time_before, ended = 0, 0, False
    for chunk in trace.chunks():
        if chunk.type != TYPE_EVENTS:
            continue
        if chunk.first != next_first + chunk.lost:
            raise Lost("damaged: first is not what follows")
        if chunk.time_first < time_before:
            raise Lost("damaged: time_first is before time_last of the chunk before")
        next_first, time_before = chunk.first + chunk.count, chunk.time_last
        for place, event in enumerate(BODIES[chunk.encoding](chunk)):
            if ended:
                raise Lost("damaged: an event follows the end")
            if event is not None:
                ended = event["kind"] == "end"
                yield chunk.first + place, event
    if not ended:
        raise Lost("no end")


def rows(chunk):
    """The events of a chunk in encoding 0, `None` for one that is skipped."""
    source, before, time = Source(chunk.body()), Before(), chunk.time_first
    for _ in range(chunk.count):
        kind = source.u8()
        time += source.leb()
        if kind < 0x80:
            if kind not in KINDS:
                raise Refused(f"an event of kind {kind:#04x} in the chunk at byte {chunk.start}")
            fields = KINDS[kind](source, before)
            check_early(fields, time)
        else:
            own = Source(source.bytes(source.leb()))
            fields = NOTES[kind](own) if kind in NOTES else None
        if time >= 2**64:
            raise Lost("damaged: a time of more than 64 bits")
        yield fields and {**fields, "t": time}
    if source.left():
        raise Lost("damaged: bytes are left behind the last event")
    if time != chunk.time_last:
        raise Lost("damaged: time_last is not that of the last event")


def check_early(fields, time):
    if fields.get("early", 0) > time:
        raise Lost("damaged: a request came before the recording began")


class Columns:
    """The columns of a body, by number."""

    def __init__(self, body):
        source = Source(body)
        listed = [(source.u8(), source.u8(), source.leb()) for _ in range(source.leb())]
        self.layouts, self.data, before = {}, {}, 0
        for number, layout, size in listed:
            if number <= before or 26 <= number < 0x80:
                raise Lost(f"damaged: column {number}")
            before = number
            self.layouts[number], self.data[number] = layout, source.bytes(size)
        if source.left():
            raise Lost("damaged: bytes are left behind the last column")

    def source(self, number):
        return Source(self.data.get(number, b""))

    def numbers(self, number, count):
        data, layout = self.data.get(number, b""), self.layouts.get(number, 0) & 15
        if not data:
            return [0] * count
        if layout == 0:
            return dense(data, count)
        if layout != 1:
            raise Lost(f"damaged: layout {layout}")
        bits, data = data[: (count + 7) // 8], data[(count + 7) // 8 :]
        there = [bits[place >> 3] >> (place & 7) & 1 for place in range(count)]
        values = iter(dense(data, sum(there)))
        return [next(values) if bit else 0 for bit in there]

    def relative(self, number):
        return self.layouts.get(number, 0) >> 4


def dense(data, count):
    if not data:
        return [0] * count
    if count == 0 or len(data) % count or len(data) > 8 * count:
        raise Lost("damaged: the planes of a column")
    planes = [data[at : at + count] for at in range(0, len(data), count)]
    return [sum(plane[at] << 8 * weight for weight, plane in enumerate(planes)) for at in range(count)]


def follow(expected, zigzag):
    return (expected + (-(zigzag + 1 >> 1) if zigzag & 1 else zigzag >> 1)) % 2**64


def followed(zigzags):
    """Ids: each is expected to be one more than that before."""
    ids, expected = [], 0
    for zigzag in zigzags:
        ids.append(follow(expected, zigzag))
        expected = (ids[-1] + 1) % 2**64
    return ids


def related(numbers, relative, routes, on_any, on_same):
    """Cookies or offsets; `on_any` and `on_same` say what one of them suggests for the next."""
    if relative == 0:
        return numbers
    found, expected = [], {}
    for place, number in enumerate(numbers):
        route = routes[place] if relative == 2 else None
        found.append(follow(expected.get(route, 0), number))
        expected[route] = (on_same if relative == 2 else on_any)(place, found[-1]) % 2**64
    return found


def runs(source, count):
    found, left = [], count
    while source.left():
        byte = source.u8()
        length = (byte >> 2) + 1
        if length == 64:
            length += source.leb()
        left -= length
        found.append((byte & 3, length))
        if left < 0:
            break
    if left:
        raise Lost("damaged: the runs do not add up")
    return found


class ByColumn:
    """The events of a chunk in encoding 1."""

    def __init__(self, chunk):
        if chunk.count > 131_072:
            raise Lost("damaged: more events by column than allowed")
        self.chunk, self.columns = chunk, Columns(chunk.body())
        self.runs = runs(self.columns.source(1), chunk.count)
        self.counts = [sum(length for of, length in self.runs if of == kind) for kind in range(4)]
        issues, blocks, checkpoints, _ = self.counts
        numbers = self.columns.numbers
        self.issue_ids, self.block_ids = followed(numbers(3, issues)), followed(numbers(13, blocks))
        self.shapes, self.flags = numbers(4, issues), numbers(5, issues)
        self.routes, self.lengths = numbers(6, issues), numbers(9, issues)
        self.cookies = related(
            numbers(7, issues), self.columns.relative(7), self.routes,
            lambda _, cookie: cookie, lambda _, cookie: cookie + 1,
        )  # fmt: skip
        ends = lambda place, offset: offset + self.lengths[place]  # noqa: E731
        relative = self.columns.relative(8)
        self.offsets = related(numbers(8, issues), relative, self.routes, ends, ends)
        self.steps = [iter(numbers(2, issues)), iter(numbers(12, blocks)), iter(numbers(10, checkpoints))]
        self.which = iter(numbers(11, checkpoints))
        self.block_columns = [iter(numbers(number, blocks)) for number in (14, 15, 16, 17, 18)]
        self.route_list, source = [], self.columns.source(21)
        while source.left():
            self.route_list.append((source.leb(2**16 - 1), source.leb(2**32 - 1)))
        self.extents, self.others = self.columns.source(22), self.columns.source(23)
        self.digests, self.next_payload = self.columns.source(24), 0
        self.earlies = iter(numbers(25, sum(shape >> 6 & 1 for shape in self.shapes)))
        self.load_shapes()

    def load_shapes(self):
        """The shapes of blocks, which say how many errnos and payload numbers there are."""
        self.issue_of, self.block_shapes, known, before = [], [], {}, [0] * 8
        asked = answered = 0
        changes = list(self.block_columns[0])
        for kind, length in self.runs:
            for _ in range(length):
                if kind == 0:
                    known[self.issue_ids[asked]] = asked
                    asked += 1
                elif kind == 1:
                    place = known.get(self.block_ids[answered])
                    shape = changes[answered] ^ before[0 if place is None else self.shapes[place] & 7]
                    before[shape & 7] = shape
                    self.issue_of.append(place)
                    self.block_shapes.append(shape)
                    answered += 1
        numbers, shapes = self.columns.numbers, self.shapes + self.block_shapes
        failed = sum(shape >> 6 & 1 for shape in self.block_shapes)
        self.errnos = iter(numbers(19, failed))
        self.payloads = iter(numbers(20, sum(shape >> 3 & 3 == 3 for shape in shapes)))

    def __iter__(self):
        time, times, places = self.chunk.time_first, [], [0, 0]
        for kind, length in self.runs:
            hold = 0
            for _ in range(length):
                if kind == 3:
                    fields, step = self.other()
                else:
                    fields, step = None, next(self.steps[kind])
                time += step
                if kind == 0:
                    fields = self.issue(places[0])
                    check_early(fields, time)
                    times.append(time)
                    places[0] += 1
                elif kind == 1:
                    fields = self.block(places[1], time, times, hold)
                    hold = fields["hold"]
                    places[1] += 1
                elif kind == 2:
                    fields = {"kind": "checkpoint", "checkpoint": self.checkpoint()}
                yield fields and {**fields, "t": time}
        if self.extents.left() or self.others.left() or self.digests.left():
            raise Lost("damaged: bytes are left in a column")
        if time != self.chunk.time_last:
            raise Lost("damaged: time_last is not that of the last event")

    def other(self):
        kind, step = self.others.u8(), self.others.leb()
        if kind < 0x80:
            if kind in (1, 2, 3):
                raise Lost(f"damaged: kind {kind} has columns of its own")
            if kind not in KINDS:
                raise Refused(f"an event of kind {kind:#04x} in the chunk at byte {self.chunk.start}")
            return KINDS[kind](self.others, None), step
        own = Source(self.others.bytes(self.others.leb()))
        return NOTES[kind](own) if kind in NOTES else None, step

    def checkpoint(self):
        number = next(self.which)
        if number >= len(CHECKPOINTS):
            raise Lost(f"damaged: checkpoint {number}")
        return CHECKPOINTS[number]

    def issue(self, place):
        shape, (device, connection) = self.shapes[place], self.route_list[self.routes[place]]
        shown, number = self.payload(shape)
        return {
            "kind": "issue", "id": self.issue_ids[place], "device": device, "conn": connection,
            "cookie": self.cookies[place], "op": operation(shape), "off": self.offsets[place],
            "len": self.lengths[place], "flags": Source(bytes([self.flags[place]])).bits(FLAGS),
            "early": next(self.earlies) if shape & 0x40 else 0, "payload": shown, "number": number,
        }  # fmt: skip

    def block(self, place, time, times, hold_before):
        shape, issue = self.block_shapes[place], self.issue_of[place]
        flags, device, hold, latency = (next(column) for column in self.block_columns[1:])
        hold, expected = follow(hold_before, hold), 0
        if issue is not None:
            device ^= self.route_list[self.routes[issue]][0]
            expected = time - times[issue] - hold
        result = "ok"
        if shape & 0x40:
            errno = next(self.errnos)
            result = ERRNO.get(errno, f"errno-{errno}")
        shown, number = self.payload(shape)
        return {
            "kind": "block", "id": self.block_ids[place], "device": device, "op": operation(shape),
            "flags": Source(bytes([flags])).bits(COMPLETION_FLAGS), "lat": follow(expected, latency),
            "hold": hold, "payload": shown, "number": number, "result": result,
            "extents": extents(self.extents) if shape & 0x80 else [],
        }  # fmt: skip

    def payload(self, shape):
        known = shape >> 3 & 3
        if known < 2:
            return [None, "zeroes"][known], None
        shown = digest(self.digests.bytes(16))
        if known == 2:
            return shown, None
        number = follow(self.next_payload, next(self.payloads))
        self.next_payload = (number + 1) % 2**64
        return shown, number


# How the body of a chunk of events is laid out, by its encoding: a new one is added here.
BODIES = {0: rows, 1: ByColumn}


class Before:
    """What the next event of a chunk is told relative to."""

    def __init__(self):
        self.issue_id = self.cookie = self.offset = self.block_id = self.payload = 0
        self.device = self.connection = self.block_device = 0


def operation(shape):
    if shape & 7 == 7:
        raise Lost("damaged: operation 7")
    return OPERATIONS[shape & 7]


def payload(source, before, shape):
    """The payload as it is printed, and its number if it is stored."""
    known = shape >> 3 & 3
    if known < 2:
        return [None, "zeroes"][known], None
    shown = digest(source.bytes(16))
    if known == 2:
        return shown, None
    number = source.dif(before.payload)
    before.payload = (number + 1) % 2**64
    return shown, number


def digest(little_endian):
    return "xxh3:" + little_endian[::-1].hex()


def issue(source, before):
    identity = source.dif(before.issue_id)
    shape = source.u8()
    if shape & 0x80:
        raise Lost("damaged: the shape of an issue")
    op = operation(shape)
    flags = source.bits(FLAGS)
    if shape & 0x20:
        before.device, before.connection = source.leb(2**16 - 1), source.leb(2**32 - 1)
    early = source.leb() if shape & 0x40 else 0
    before.cookie = source.dif(before.cookie)
    offset = source.dif(before.offset)
    length = source.leb()
    shown, number = payload(source, before, shape)
    before.issue_id = (identity + 1) % 2**64
    before.offset = (offset + length) % 2**64
    return {
        "kind": "issue", "id": identity, "device": before.device, "conn": before.connection,
        "cookie": before.cookie, "op": op, "off": offset, "len": length, "flags": flags,
        "early": early, "payload": shown, "number": number,
    }  # fmt: skip


def block(source, before):
    identity = source.dif(before.block_id)
    shape = source.u8()
    op = operation(shape)
    flags = source.bits(COMPLETION_FLAGS)
    if shape & 0x20:
        before.block_device = source.leb(2**16 - 1)
    latency, hold = source.leb(), source.leb()
    result = "ok"
    if shape & 0x40:
        errno = source.leb(2**16 - 1)
        result = ERRNO.get(errno, f"errno-{errno}")
    shown, number = payload(source, before, shape)
    before.block_id = (identity + 1) % 2**64
    return {
        "kind": "block", "id": identity, "device": before.block_device, "op": op, "flags": flags,
        "lat": latency, "hold": hold, "payload": shown, "number": number, "result": result,
        "extents": extents(source) if shape & 0x80 else [],
    }  # fmt: skip


def extents(source):
    found = []
    for _ in range(count_of_extents(source)):
        length, state = source.leb(), source.bits(["hole", "zero"])
        if not length:
            raise Lost("damaged: an extent of length 0")
        found.append({"len": length, "hole": "hole" in state, "zero": "zero" in state})
    return found


def count_of_extents(source):
    count = source.leb(4096)
    if count == 0:
        raise Lost("damaged: no extents")
    return count


def end(source, _before):
    status = source.leb(256)
    return {"kind": "end", "status": status - 1 if status else None}


def no_more_than(what):
    """An event whose kind says all."""
    return lambda _source, _before: {"kind": what}


def numbered(what):
    return lambda source, _before: {"kind": what, "id": source.leb()}


def input_event(source, _before):
    what = source.one_of(["key", "button", "relative", "absolute", "multi_touch"])
    fields = {"kind": "input", "input": what}
    if what == "key":
        fields["key"] = source.one_of(KEYS)
        fields["code"] = source.leb(2**64 - 1 if fields["key"] == "number" else 2**32 - 1)
        fields["down"] = source.one_of([False, True])
    elif what == "button":
        fields["button"] = source.leb(2**32 - 1)
        fields["down"] = source.one_of([False, True])
    elif what == "multi_touch":
        fields["phase"] = source.leb(2**32 - 1)
        fields["slot"], fields["tracking_id"] = source.sig(), source.sig()
    if what in ("relative", "absolute", "multi_touch"):
        fields["axis"], fields["value"] = source.leb(2**32 - 1), source.sig()
    return fields


def char_read(source, _before):
    return {"kind": "char_read", "chardev": source.u8(), "data": source.blob()}


def net(source, _before):
    return {"kind": "net", "filter": source.u8(), "net_flags": source.leb(2**32 - 1), "data": source.blob()}


def clock(source, _before):
    return {"kind": "clock", "clock": source.one_of(CLOCKS), "value": source.sig()}


def random(source, _before):
    return {"kind": "random", "ret": source.sig(32), "data": source.blob()}


def char_write(source, _before):
    return {"kind": "char_write", "ret": source.sig(32), "offset": source.sig(32)}


def audio_in(source, _before):
    recorded = source.leb()
    position = source.leb() if source.one_of([False, True]) else None
    samples = [[source.sig(), source.sig()] for _ in range(source.leb(SAMPLES_MAX))]
    return {"kind": "audio_in", "recorded": recorded, "position": position, "samples": samples}


def connect(source):
    connection, device, negotiated = source.leb(2**32 - 1), source.leb(2**16 - 1), source.u8()
    return {
        "kind": "connect", "conn": connection, "device": device, "export": source.text(4096),
        "structured_replies": bool(negotiated & 1), "block_status": bool(negotiated & 2),
        "extended_headers": True if negotiated & 4 else None,
    }  # fmt: skip


def mark(source):
    name = source.text(255)
    if not name or any(unicodedata.category(character) == "Cc" for character in name):
        raise Lost("damaged: the name of a mark")
    return {"kind": "mark", "name": name}


def disconnect(source):
    connection = source.leb(2**32 - 1)
    return {"kind": "disconnect", "conn": connection, "reason": source.one_of(DISCONNECTS)}


def length(source):
    return {"kind": "length", "device": source.leb(2**16 - 1), "len": source.leb()}


KINDS = {
    1: issue,
    2: block,
    3: lambda source, _: {"kind": "checkpoint", "checkpoint": source.one_of(CHECKPOINTS)},
    4: end,
    5: numbered("bh"),
    6: numbered("bh_oneshot"),
    7: input_event,
    8: no_more_than("input_sync"),
    9: char_read,
    10: net,
    11: clock,
    12: random,
    13: lambda source, _: {"kind": "instruction", "count": source.leb()},
    14: lambda source, _: {"kind": "shutdown", "cause": source.one_of(CAUSES)},
    15: no_more_than("interrupt"),
    16: no_more_than("exception"),
    17: char_write,
    18: lambda source, _: {"kind": "char_read_all", "data": source.blob()},
    19: lambda source, _: {"kind": "char_read_all_error", "error": source.sig(32)},
    20: lambda source, _: {"kind": "audio_out", "played": source.leb()},
    21: audio_in,
    22: numbered("block"),
}
NOTES = {
    0x80: lambda source: {"kind": "open", "device": source.leb(2**16 - 1)},
    0x81: length,
    0x82: lambda source: {"kind": "close", "device": source.leb(2**16 - 1)},
    0x83: connect,
    0x84: disconnect,
    0x85: mark,
}


# ---------------------------------------------------------------- payloads


def payloads(trace):
    """(digest, bytes) of all payloads, in the order of their numbers."""
    for chunk in trace.chunks():
        if chunk.type != TYPE_PAYLOADS:
            continue
        body = chunk.body()
        table_at = len(body) - 20 * chunk.count
        at = 0
        for entry in range(table_at, len(body), 20):
            (size,) = struct.unpack_from("<I", body, entry)
            yield digest(body[entry + 4 : entry + 20]), body[at : at + size]
            at += size
        if at != table_at:
            raise Lost("damaged: the lengths of payloads do not add up")


def check_payloads(data):
    """Every stored payload that an event names is there, before it, with that digest."""
    stored = [shown for shown, _ in payloads(Trace(data))]
    for index, event in events(Trace(data)):
        number = event.get("number")
        if number is not None and stored[number] != event["payload"]:
            raise Lost(f"damaged: event {index} names payload {number} by another digest")


# ---------------------------------------------------------------- summaries and indexes


class Fault(Exception):
    """A summary or an index says something else than the events."""


def agree(what, said, found):
    if said != found:
        raise Fault(f"{what}: {said} is said, {found} is found")


def tags(data):
    source, found = Source(data), {}
    while source.left():
        tag = source.leb()
        found[tag] = source.bytes(source.leb())
    return found


def lebs(source, count):
    return [source.leb() for _ in range(count)]


def said_operations(value):
    source, counts = Source(value), {}
    while source.left():
        operation = source.u8()
        counts[OPERATIONS[operation]] = lebs(source, 4)
    return counts


def said_marks(value):
    source, marks, place = Source(value), [], -1
    while source.left():
        place += 1 + source.leb()
        marks.append((place, source.text(255)))
    return marks


def said_state(value):
    """Ids of open requests, and flushes by device."""
    source = Source(value)
    ids, flushes, identity, device = [], {}, -1, -1
    for _ in range(source.leb()):
        identity = source.dif(identity + 1)
        ids.append(identity)
    while source.left():
        device += 1 + source.leb()
        flushes[device] = source.leb()
    return ids, flushes


def said_latencies(value):
    source, sketches = Source(value), {}
    while source.left():
        buckets = sketches.setdefault(OPERATIONS[source.u8()], {})
        bucket = -1
        for _ in range(source.leb()):
            bucket += 1 + source.leb()
            buckets[bucket] = source.leb()
    return sketches


def said_epochs(value):
    """Number of requests by device and epoch; the sums of their digests are not looked at."""
    source, epochs = Source(value), {}
    while source.left():
        device, count, epoch = source.leb(), source.leb(), -1
        for _ in range(count):
            epoch += 1 + source.leb()
            epochs[device, epoch] = source.leb()
            source.bytes(16)
    return epochs


def bucket_of(duration):
    if duration < 16:
        return duration
    shift = duration.bit_length() - 5
    return (shift + 1) * 16 + (duration >> shift) - 16


class Sums:
    """What all events so far come to, counted from the events themselves."""

    def __init__(self):
        self.issued, self.flushes, self.operations, self.status = {}, {}, {}, None
        self.numbers = [0] * 13

    def chunk_of_events(self, chunk, index_at):
        """Counts the events of a chunk, and holds its summary against them."""
        events = list(BODIES[chunk.encoding](chunk))
        operations, marks, latencies, epochs, ids, ranges = {}, [], {}, {}, [], []
        for place, event in enumerate(events):
            kind = event and event["kind"]
            if kind == "issue":
                count = operations.setdefault(event["op"], [0] * 4)
                count[0] += 1
                count[3] = min(count[3] + event["len"], 2**64 - 1)
                ids.append(event["id"])
                if event["len"]:
                    ranges.append((event["off"], min(event["off"] + event["len"], 2**64 - 1)))
                self.issued[event["id"]] = event["device"], self.flushes.get(event["device"], 0)
            elif kind == "block" and "op" in event:
                count = operations.setdefault(event["op"], [0] * 4)
                count[1] += 1
                count[2] += event["result"] != "ok"
                latencies.setdefault(event["op"], []).append(event["lat"])
                if event["id"] in self.issued:
                    epoch = self.issued.pop(event["id"])
                    epochs[epoch] = epochs.get(epoch, 0) + 1
                if event["op"] == "flush":
                    self.flushes[event["device"]] = self.flushes.get(event["device"], 0) + 1
            elif kind == "mark":
                marks.append((place, event["name"]))
            elif kind == "end":
                self.status = event["status"]
        said = tags(chunk.data[chunk.start + chunk.header_len : chunk.body_at])
        agree("operations", said_operations(said.get(1, b"")), operations)
        agree("marks", said_marks(said.get(6, b"")), marks)
        if 2 in said:
            low, extent, first, way = lebs(Source(said[2]), 4)
            found = (min(low for low, _ in ranges), max(end for _, end in ranges)) if ranges else (0, 0)
            agree("ranges", (low, low + extent), found)
            agree("ids", (first, first + way), (min(ids), max(ids)))
        if 3 in said:
            for operation, buckets in said_latencies(said[3]).items():
                found = {}
                for latency in latencies[operation]:
                    found[bucket_of(latency)] = found.get(bucket_of(latency), 0) + 1
                agree(f"latencies of {operation}", buckets, found)
        if 4 in said:
            agree("state", said_state(said[4]), (sorted(self.issued), self.flushes))
            agree("epochs", said_epochs(said.get(5, b"")), epochs)
        agree("index", Source(said[7]).leb() if 7 in said else None, index_at)
        for operation, count in operations.items():
            before = self.operations.get(operation, [0] * 4)
            self.operations[operation] = [min(a + b, 2**64 - 1) for a, b in zip(before, count)]
        return len(marks), ids

    def add(self, chunk, marks):
        numbers = self.numbers
        numbers[0] = chunk.sequence + 1
        if chunk.type == TYPE_EVENTS:
            found = [chunk.count, chunk.lost, 0, marks, 1, chunk.length, chunk.summary_len]
            numbers[1:8] = [a + b for a, b in zip(numbers[1:8], found)]
            numbers[3] = chunk.time_last
        elif chunk.type == TYPE_PAYLOADS:
            found = [chunk.count, 1, chunk.raw_len, chunk.length]
            numbers[9:13] = [a + b for a, b in zip(numbers[9:13], found)]
        else:
            numbers[8] += chunk.length


def check_summaries(data):
    """Holds all summaries and indexes against the events; gives how many indexes there are."""
    trace, sums, listed, index_at, indexes = Trace(data), Sums(), [], None, 0
    for chunk in trace.chunks():
        marks, ids = 0, []
        if chunk.type == TYPE_EVENTS:
            marks, ids = sums.chunk_of_events(chunk, index_at)
        if chunk.type == TYPE_INDEX:
            check_index(chunk, index_at or 0, listed, sums)
            listed, index_at, indexes = [], chunk.start, indexes + 1
        else:
            listed.append((chunk, marks, ids))
        sums.add(chunk, marks)
    return indexes


def check_index(chunk, index_before, listed, sums):
    source = Source(chunk.body())
    agree("index before", struct.unpack("<Q", source.bytes(8))[0], index_before)
    said = tags(source.bytes(source.leb()))
    agree("sums of operations", said_operations(said.get(1, b"")), sums.operations)
    numbers = [chunk.sequence, *sums.numbers[1:]]
    agree("sums", lebs(Source(said[2]), 13), numbers)
    if 3 in said:
        agree("status", Source(said[3]).leb(), 0 if sums.status is None else sums.status + 1)
    agree("count", chunk.count, len(listed))
    at = sequence = time = identity = 0
    first = {}
    for entry, marks, ids in listed:
        fields = Source(source.bytes(source.leb()))
        kind = fields.leb()
        at = fields.dif(at)
        agree("entry", (kind, at, fields.leb()), (entry.type, entry.start, entry.length))
        at += entry.length
        sequence = fields.dif(sequence) + 1
        agree("sequence", sequence - 1, entry.sequence)
        found = fields.dif(first.get(kind, 0)), fields.leb(), fields.leb()
        agree("place", found, (entry.first, entry.count, entry.lost))
        first[kind] = entry.first + entry.count
        start = fields.dif(time)
        time = fields.dif(start)
        agree("times", (start, time), (entry.time_first, entry.time_last))
        agree("marks and issues", lebs(fields, 2), [marks, len(ids)])
        if ids:
            low = fields.dif(identity)
            identity = fields.dif(low)
            agree("ids", (low, identity), (min(ids), max(ids)))
            identity += 1
    agree("trailer", source.bytes(16), struct.pack("<Q", chunk.start) + b"BLKINDEX")
    agree("bytes left", source.left(), 0)


# ---------------------------------------------------------------- printing


def show(fields):
    """One line: what is absent is left out."""
    kept = {name: value for name, value in fields.items() if value is not None and value != []}
    print(json.dumps(kept, ensure_ascii=False, separators=(",", ":")))


# The order in which the fields of an event are printed.
EVENT_FIELDS = [
    "schema", "seq", "kind", "t", "id", "dev", "conn", "cookie", "op", "off", "len", "flags", "early", "lat", "hold",
    "payload", "result", "extents", "checkpoint", "export", "structured_replies", "block_status",
    "extended_headers", "reason",
    "name", "status", "input", "key", "code", "button", "down", "phase", "slot", "tracking_id", "axis", "clock",
    "value", "chardev", "filter", "net_flags", "ret", "offset", "error", "count", "cause", "played", "recorded",
    "position", "samples", "data",
]  # fmt: skip


def print_events(trace):
    for index, event in events(trace):
        fields = {**event, "schema": "blkreplay.event/1", "seq": index}
        if "device" in event:
            fields["dev"] = trace.device(event["device"])
        if event.get("op") == "flush":
            fields["off"] = fields["len"] = None
        fields["early"] = event.get("early") or None
        show({name: fields[name] for name in EVENT_FIELDS if name in fields})


def print_requests(trace):
    """One line an issue, in their order, joined with its completion."""
    requests, waiting, flushes = [], {}, {}
    refused = False
    try:
        for _, event in events(trace):
            device = event.get("device")
            if event["kind"] == "issue":
                waiting[event["id"]] = event
                event["epoch"] = flushes.get(device, 0)
                requests.append(event)
            elif event["kind"] == "block" and "op" in event:
                if event["op"] == "flush":
                    flushes[device] = flushes.get(device, 0) + 1
                if event["id"] in waiting:
                    waiting.pop(event["id"])["block"] = event
    except Refused:
        refused = True
        raise
    finally:
        for request in requests:
            # Those behind a refused event may have completions that nobody can read.
            if refused and "block" not in request:
                break
            show_request(trace, request)


def show_request(trace, issue):
    block = issue.get("block", {})
    has_range = issue["op"] != "flush"
    show({
        "schema": "blkreplay.request/1",
        "id": issue["id"],
        "dev": trace.device(issue["device"]),
        "conn": issue["conn"],
        "op": issue["op"],
        "off": issue["off"] if has_range else None,
        "len": issue["len"] if has_range else None,
        "flags": issue["flags"] + block.get("flags", []),
        "t": issue["t"] - issue["early"],
        "early": issue["early"] or None,
        "lat": block.get("lat"),
        "hold": block.get("hold"),
        "epoch": issue["epoch"],
        "payload": block.get("payload") or issue["payload"],
        "result": block.get("result"),
    })  # fmt: skip


def main():
    path, *options = sys.argv[1:]
    with open(path, "rb") as file:
        data = file.read()
    trace = None
    try:
        trace = Trace(data)
        if options[:1] == ["--payload"]:
            found = [data for _, data in payloads(trace)]
            sys.stdout.buffer.write(found[int(options[1])])
            return 0
        if options == ["--check"]:
            print(f"{check_summaries(data)} indexes", file=sys.stderr)
            return 0
        (print_events if options == ["--events"] else print_requests)(trace)
        check_payloads(data)
        return 0
    except Refused as refusal:
        print(f"{path}: refused: {refusal}", file=sys.stderr)
        return 2
    except Fault as fault:
        print(f"{path}: the chunk before byte {trace.at}: {fault}", file=sys.stderr)
        return 1
    except Lost as loss:
        print(f"{path}: not whole at byte {trace.at if trace else 0}: {loss}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
