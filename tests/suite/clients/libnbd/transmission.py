"""Requests that are done, and what is refused of them."""

import os

import nbd
from disk import ASKED, IN_ONE_CHUNK, LONGEST, MIB, SIZE, Disk, case


@case("requests")
def fua_may_stand_on_every_request():
    disk = Disk()
    for ask in disk.every(8192, 4096).values():
        ask(nbd.CMD_FLAG_FUA, "ok")
    disk.flush(nbd.CMD_FLAG_FUA)


@case("requests")
def flags_that_a_request_does_not_have_are_refused():
    disk = Disk()
    own = {
        "read": nbd.CMD_FLAG_DF,
        "write_zeroes": nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FAST_ZERO,
        "block_status": nbd.CMD_FLAG_REQ_ONE,
    }
    for (op, ask) in disk.every(0, 512).items():
        for bit in range(1, 16):
            if not own.get(op, 0) & 1 << bit:
                ask(1 << bit, "EINVAL")
    for bit in range(1, 16):
        disk.flush(1 << bit, "EINVAL")
    assert disk.read(0, 512) == bytes(512), "nothing of it was done"


@case("requests")
def requests_of_no_length_are_refused_and_the_next_one_is_heard():
    disk = Disk()
    for ask in disk.every(4096, 0).values():
        ask(0, "EINVAL")
    disk.flush()


@case("requests")
def what_reaches_past_the_end_is_refused():
    disk = Disk()
    for off in [SIZE - 511, SIZE, 1 << 40, (1 << 63) - 512]:
        for (op, ask) in disk.every(off, 512).items():
            ask(0, "ENOSPC" if op in ("write", "write_zeroes") else "EINVAL")
    for ask in disk.every(SIZE - 512, 512).values():
        ask(0, "ok")


@case("requests")
def requests_may_begin_and_end_at_any_byte():
    disk, data = Disk(), bytes(1 + number % 251 for number in range(MIB + 4321))
    last = 65537
    for off in [1, 511, 4095, last]:
        disk.write(off, data)
        assert disk.read(off, len(data)) == data
    assert disk.read(0, 2) == b"\0" + data[:1]
    disk.zero(70000, 1)
    disk.trim(70002, 3)
    left = bytearray(data[69999 - last : 70007 - last])
    left[1] = left[3] = left[4] = left[5] = 0
    assert disk.read(69999, 8) == left


@case("requests")
def zeroes_are_zeroes_with_and_without_holes_fast_or_not():
    disk = Disk()
    no_hole, fast = nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FAST_ZERO
    for flags in [0, no_hole, fast, no_hole | fast, nbd.CMD_FLAG_FUA | no_hole]:
        disk.write(MIB, b"z" * MIB)
        disk.zero(MIB + 4096, 65536, flags, ["ok", "ENOTSUP"] if flags & fast else "ok")
        done = ASKED[-1]["result"] == "ok"
        left = disk.read(MIB, MIB)
        assert left[4096 : 4096 + 65536] == (bytes(65536) if done else b"z" * 65536), flags
        assert left.count(b"z") == (MIB - 65536 if done else MIB), "and nothing else is"
        if flags & no_hole and done:
            told = disk.status(MIB + 4096, 65536)["base:allocation"]
            assert not any(state & nbd.STATE_HOLE for (_, state) in told), told


@case("requests")
def what_is_discarded_reads_as_zeroes():
    disk = Disk()
    disk.write(MIB, b"d" * MIB)
    disk.trim(MIB + 1, MIB - 2)
    assert disk.read(MIB, MIB) == b"d" + bytes(MIB - 2) + b"d"


@case("requests")
def zeroes_and_discards_may_be_longer_than_any_data():
    disk = Disk()
    for off in [0, SIZE - 4096]:
        disk.write(off, b"x" * 4096)
    disk.zero(0, SIZE)
    assert disk.read(SIZE - 4096, 4096) == bytes(4096)
    disk.trim(0, SIZE)
    disk.cache(0, SIZE)


@case("requests")
def block_status_tells_holes_and_data():
    disk = Disk()
    disk.write(MIB, b"b" * MIB)
    (told,) = disk.status(0, 4 * MIB).values()
    at, runs = 0, []
    for (length, state) in told:
        runs.append((at, state))
        at += length
    hole = nbd.STATE_HOLE | nbd.STATE_ZERO
    assert runs == [(0, hole), (MIB, 0), (2 * MIB, hole)], told
    assert at >= 4 * MIB


@case("requests")
def one_extent_is_told_where_one_is_asked_for_and_it_is_no_longer():
    disk = Disk()
    disk.write(MIB, b"b" * MIB)
    for (off, length) in [(0, 4 * MIB), (0, 512), (MIB, 4096), (2 * MIB - 512, 8192)]:
        (told,) = disk.status(off, length, nbd.CMD_FLAG_REQ_ONE).values()
        assert len(told) == 1 and 0 < told[0][0] <= length, (off, length, told)


@case("requests")
def the_longest_requests_are_done_and_longer_reads_in_one_chunk_are_not():
    disk = Disk()
    data = bytearray(os.urandom(MIB)) * 64
    for length in [IN_ONE_CHUNK, 0x2F8E400, LONGEST]:
        disk.write(4096, data[:length])
        assert disk.read(4096, length) == data[:length]
    assert disk.chunks(4096, IN_ONE_CHUNK, nbd.CMD_FLAG_DF) == [(4096, IN_ONE_CHUNK, nbd.READ_DATA)]
    disk.chunks(4096, IN_ONE_CHUNK + 1, nbd.CMD_FLAG_DF, "EOVERFLOW")
    pieces = disk.chunks(4096, LONGEST)
    assert sum(length for (_, length, _) in pieces) == LONGEST and len(pieces) == 2, pieces
    assert max(length for (_, length, _) in pieces) <= IN_ONE_CHUNK


@case("requests")
def errors_of_reads_come_in_chunks_where_these_were_agreed_on():
    disk = Disk()
    assert disk.chunks(SIZE, 512, result="EINVAL") == []
    disk.read(0, 0, result="EINVAL")
    assert disk.read(0, 512) == bytes(512)


@case("requests")
def many_requests_in_flight_are_answered_each_with_its_own():
    disk, order = Disk(), []
    places = [number * 65536 + number * 7 for number in range(200)]
    data = [bytes([number]) * (1 + number * 331 % 65000) for number in range(200)]

    def note(op, number):
        request = {"dev": "disk", "op": op, "off": places[number], "len": len(data[number])}
        ASKED.append({**request, "flags": [], "result": "ok"})

    def done(error, name):
        assert error == 0, name
        order.append(name)
        return 1

    for number in range(200):
        written = nbd.Buffer.from_bytearray(bytearray(data[number]))
        disk.nbd.aio_pwrite(written, places[number], lambda error, n=number: done(error.value, ("write", n)))
        note("write", number)
    # What was written is read while it may still be on its way.
    buffers = [nbd.Buffer(len(data[number])) for number in range(200)]
    for number in reversed(range(200)):
        came = lambda error, n=number: done(error.value, ("read", n))
        disk.nbd.aio_pread(buffers[number], places[number], came)
        note("read", number)
    while disk.nbd.aio_in_flight():
        disk.nbd.poll(-1)
    assert sorted(order) == [(op, number) for op in ("read", "write") for number in range(200)]
    for number in range(200):
        assert buffers[number].to_bytearray() == data[number], number


@case("requests")
def what_one_connection_wrote_and_another_flushed_is_there_for_a_third():
    (writer, flusher, reader) = (Disk(), Disk(), Disk())
    for round in range(4):
        data = bytes([65 + round]) * 4096
        writer.write(round * 4096, data)
        flusher.flush()
        assert reader.read(round * 4096, 4096) == data
    assert writer.nbd.can_multi_conn()


@case("requests")
def two_exports_are_two_disks():
    (one, two) = (Disk(), Disk(export="1"))
    two.write(0, b"2" * 512)
    assert one.read(0, 512) == bytes(512)
    assert two.read(0, 512) == b"2" * 512
    two.write(MIB, b"x", result="ENOSPC")
