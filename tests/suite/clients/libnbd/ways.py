"""How clients find us."""

import os
import socket
from urllib.parse import urlsplit

import nbd
from disk import MIB, SIZE, Disk, case, fails, socket_path


@case("ways")
def every_form_of_an_address_finds_its_export():
    path = socket_path()
    for (uri, size) in [
        (f"nbd+unix:///?socket={path}", SIZE),
        (f"nbd+unix://?socket={path}", SIZE),
        (f"nbd+unix:///0?socket={path}", SIZE),
        (f"nbd+unix:///%31?socket={path}", MIB),
        (os.environ["BLKREPLAY_URI_1"], MIB),
    ]:
        assert Disk(uri=uri).nbd.get_size() == size, uri
    fails("ENOENT", lambda: Disk(uri=f"nbd+unix:///2?socket={path}"))


@case("ways")
def a_socket_that_is_connected_already_will_do():
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(socket_path())
        handle = nbd.NBD()
        handle.connect_socket(os.dup(ours.fileno()))
        assert handle.get_size() == SIZE
        handle.shutdown()


@case("ways", "--write --listen tcp:127.0.0.1:0")
def a_port_is_found_by_its_address_and_by_its_number():
    uri = urlsplit(os.environ["BLKREPLAY_URI"])
    disk = Disk(uri=uri.geturl())
    disk.write(0, b"tcp" * 100)
    handle = nbd.NBD()
    handle.connect_tcp("127.0.0.1", str(uri.port))
    assert handle.get_size() == SIZE
    assert disk.read(0, 300) == b"tcp" * 100


@case("ways")
def a_client_that_says_goodbye_gets_its_answers_first():
    disk = Disk()
    disk.write(0, b"x" * MIB)
    disk.nbd.shutdown()
    assert disk.nbd.aio_is_closed()
    assert Disk().read(0, MIB) == b"x" * MIB
