"""What is agreed on before the first request."""

import nbd
from disk import IN_ONE_CHUNK, MIB, SIZE, Disk, case, fails, in_options


@case("handshake")
def every_export_is_listed_with_its_description():
    handle, listed = in_options(), []
    assert handle.opt_list(lambda name, description: listed.append((name, description))) == 2
    assert listed == [("", "disk"), ("1", "two")], listed
    handle.opt_go()
    assert handle.get_size() == SIZE


@case("handshake")
def an_export_is_described_before_it_is_chosen():
    handle = in_options(export="1")
    handle.opt_info()
    assert handle.get_size() == MIB and not handle.is_read_only() and handle.can_multi_conn()
    handle.set_export_name("")
    handle.opt_info()
    assert handle.get_size() == SIZE
    handle.opt_go()
    assert handle.aio_is_ready() and handle.get_size() == SIZE


@case("handshake")
def an_unknown_export_is_refused_and_another_can_be_chosen():
    handle = in_options(export="nothing")
    fails("ENOENT", handle.opt_info)
    fails("ENOENT", handle.opt_go)
    # libnbd 1.14 has one error for whatever a server says here.
    fails("ENOTSUP", lambda: handle.opt_list_meta_context(lambda name: None))
    handle.set_export_name("0")
    handle.opt_go()
    assert handle.get_size() == SIZE
    fails("ENOENT", lambda: Disk(export="x" * 4096))


@case("handshake")
def an_export_has_its_own_name_and_a_description():
    def agreed(handle):
        handle.set_full_info(True)

    handle = Disk(export="0", agreed=agreed).nbd
    assert handle.get_canonical_export_name() == "", "the name that is listed"
    assert handle.get_export_description() == "disk"


@case("handshake")
def a_client_that_gives_up_is_let_go():
    handle = in_options()
    handle.opt_abort()
    assert handle.aio_is_closed()


@case("handshake")
def block_sizes_are_told_to_who_asks():
    handle = Disk().nbd
    sizes = [nbd.SIZE_MINIMUM, nbd.SIZE_PREFERRED, nbd.SIZE_MAXIMUM]
    assert [handle.get_block_size(size) for size in sizes] == [1, 4096, IN_ONE_CHUNK]
    handle = Disk(agreed=lambda handle: handle.set_request_block_size(False)).nbd
    assert [handle.get_block_size(size) for size in sizes] == [0, 0, 0]


@case("handshake")
def contexts_are_listed_by_name_by_namespace_or_all():
    for (queries, expected) in [
        ([], ["base:allocation"]),
        (["base:"], ["base:allocation"]),
        (["base:allocation"], ["base:allocation"]),
        (["x-other:", "base:", "base:allocation"], ["base:allocation"]),
        (["base:other"], []),
        (["x-other:"], []),
        (["qemu:dirty-bitmap:b"], []),
    ]:
        handle, listed = in_options(contexts=queries), []
        assert handle.opt_list_meta_context(listed.append) == len(expected), queries
        assert listed == expected, (queries, listed)


@case("handshake")
def contexts_are_selected_by_their_whole_name():
    for (queries, is_there) in [
        (["base:allocation"], True),
        (["x-other:thing", "base:allocation", "base:allocation", "qemu:allocation-depth"], True),
        (["base:"], False),
        (["x-other:thing"], False),
    ]:
        disk = Disk(contexts=queries)
        assert disk.nbd.can_meta_context("base:allocation") == is_there, queries
        told = disk.status(0, MIB, result="ok" if is_there else "EINVAL")
        assert list(told) == (["base:allocation"] if is_there else []), "no other is told of"


@case("handshake")
def a_selection_of_contexts_takes_the_place_of_the_one_before():
    def reselected(first, then):
        disk = Disk(contexts=[first], agreed=lambda handle: handle.set_opt_mode(True))
        disk.nbd.opt_info()
        disk.nbd.clear_meta_contexts()
        disk.nbd.add_meta_context(then)
        disk.nbd.opt_go()
        return disk

    reselected("base:allocation", "x-other:thing").status(0, 512, result="EINVAL")
    assert reselected("x-other:thing", "base:allocation").status(0, 512)


@case("handshake")
def without_structured_replies_there_is_neither_df_nor_block_status():
    disk = Disk(agreed=lambda handle: handle.set_request_structured_replies(False))
    assert not disk.nbd.get_structured_replies_negotiated() and not disk.nbd.can_df()
    assert not disk.nbd.can_meta_context("base:allocation")
    disk.read(0, 512, nbd.CMD_FLAG_DF, "EINVAL")
    disk.status(0, 512, result="EINVAL")
    disk.write(4096, b"simple" * 100)
    assert disk.read(4096, 600) == b"simple" * 100
    disk.read(SIZE, 512, result="EINVAL")
    disk.flush()


@case("handshake")
def a_client_of_long_ago_chooses_by_name_alone():
    for flags in [0, nbd.HANDSHAKE_FLAG_NO_ZEROES, nbd.HANDSHAKE_FLAG_FIXED_NEWSTYLE]:
        disk = Disk(agreed=lambda handle: handle.set_handshake_flags(flags))
        assert disk.nbd.get_handshake_flags() == flags
        assert disk.nbd.get_size() == SIZE
        disk.write(flags * 512, b"old" * 100)
        assert disk.read(flags * 512, 300) == b"old" * 100


@case("handshake")
def who_insists_on_tls_where_there_is_none_goes():
    fails("ENOTSUP", lambda: Disk(agreed=lambda handle: handle.set_tls(nbd.TLS_REQUIRE)))
    handle = Disk(agreed=lambda handle: handle.set_tls(nbd.TLS_ALLOW)).nbd
    assert not handle.get_tls_negotiated() and handle.get_size() == SIZE


@case("handshake")
def everything_that_there_is_is_offered():
    handle = Disk().nbd
    assert handle.get_protocol() == "newstyle-fixed"
    assert handle.get_structured_replies_negotiated()
    for feature in ["cache", "df", "fast_zero", "flush", "fua", "multi_conn", "trim", "zero"]:
        assert getattr(handle, f"can_{feature}")(), feature
    assert not handle.is_read_only() and not handle.is_rotational()
