//! Servers that can less than we offer: what is done instead, and what is not offered.

use std::os::unix::net::UnixStream;

use blkreplay_core::nbd::{Client, Dialect};
use blkreplay_core::request::{Flags, Operation, Request};
use blkreplay_core::units::ByteRange;
use rustix::process::Signal;

use crate::remote::{MIB, nbdkit, qemu_nbd};
use crate::support::Sandbox;
use crate::trace::Trace;

#[test]
fn what_a_server_cannot_is_done_without_it() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 4 * MIB);
    // Simple replies, neither zeroes nor FUA, no block status.
    let server =
        nbdkit(&sandbox, "--no-sr --filter=nozero --filter=fua file disk.img zeromode=none");
    let client = sandbox.script(
        "client.sh",
        "nbdinfo \"$BLKREPLAY_URI\" >info
         qemu-io -f raw -c 'write -P 7 0 4M' -c 'write -f -P 8 1k 2k' -c 'write -z 4k 2M' -c 'flush' \
         \"$BLKREPLAY_URI\" >said 2>&1",
    );
    let record = format!("record {} -o t.blkr --write -- {client}", server.uri);
    sandbox.blkreplay(&record).finish().succeeds();
    drop(server);
    assert!(!String::from_utf8(sandbox.read("said")).unwrap().contains("ailed"));
    let info = String::from_utf8(sandbox.read("info")).unwrap();
    for line in ["can_trim: false", "can_zero: true", "can_fua: true", "can_flush: true"] {
        assert!(info.contains(line), "{line:?} is not in:\n{info}");
    }
    let mut expected = vec![7; 4 << 20];
    expected[1 << 10..3 << 10].fill(8);
    expected[4 << 10..(4 << 10) + (2 << 20)].fill(0);
    assert!(sandbox.read("disk.img") == expected);
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert_eq!((trace.bytes("write_zeroes"), trace.count("discard")), (2 * MIB, 0));
    assert!(trace.rows.iter().all(|row| row.result.as_deref() == Some("ok")));
}

#[test]
fn requests_longer_or_finer_than_the_server_takes_are_done_all_the_same() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 9, 4 * MIB);
    let policy = "--filter=blocksize-policy file disk.img blocksize-minimum=4096 blocksize-preferred=4096 \
                  blocksize-maximum=65536 blocksize-error-policy=error";
    let server = nbdkit(&sandbox, policy);
    let client = sandbox.script(
        "client.sh",
        "nbdcopy --request-size=1048576 \"$BLKREPLAY_URI\" out.img
         qemu-io -f raw -c 'write -P 7 100 1000' -c 'read -P 7 100 1000' -c 'read 1M 2M' \"$BLKREPLAY_URI\" \
         >said 2>&1",
    );
    sandbox.blkreplay(&format!("record {} -o t.blkr -- {client}", server.uri)).finish().succeeds();
    assert!(!String::from_utf8(sandbox.read("said")).unwrap().contains("ailed"));
    sandbox.assert_same("disk.img", "out.img");
    assert!(Trace::whole(&sandbox, "t.blkr").of("read").any(|row| row.len == MIB));

    // Who writes to it is told how fine.
    let client = sandbox.script(
        "writer.sh",
        "nbdinfo \"$BLKREPLAY_URI\" >info
         qemu-io -f raw -c 'write -P 9 100 1000' -c 'write -P 5 64k 1M' \"$BLKREPLAY_URI\" >said 2>&1",
    );
    let record = format!("record {} -o w.blkr --write -- {client}", server.uri);
    sandbox.blkreplay(&record).finish().succeeds();
    assert!(String::from_utf8(sandbox.read("info")).unwrap().contains("block_size_minimum: 4096"));
    let trace = Trace::whole(&sandbox, "w.blkr");
    assert!(trace.rows.iter().all(|row| row.result.as_deref() == Some("ok")));
    assert!(trace.of("write").all(|row| row.off % 4096 == 0 && row.len % 4096 == 0));
    sandbox.copy("out.img", "expected.img");
    let local = "qemu-io -f raw -c 'write -P 9 100 1000' -c 'write -P 5 64k 1M' expected.img";
    sandbox.tool("sh").args(["-c", local]).finish().succeeds();
    sandbox.assert_same("disk.img", "expected.img");
}

#[test]
fn a_server_with_extended_headers_is_asked_for_8_gib_at_once() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 8 << 30);
    for (extended, longest) in [(true, 8 << 30), (false, u32::MAX.into())] {
        let server = if extended {
            qemu_nbd(&sandbox, "disk.img")
        } else {
            nbdkit(&sandbox, "file disk.img")
        };
        let record = format!("record {} -o t.blkr --write --force --listen unix:run/s", server.uri);
        let mut recording = sandbox.blkreplay(&record).start();
        recording.wait_for_stderr("serving");
        let stream = UnixStream::connect(sandbox.path("run/s")).unwrap();
        let mut client = Client::connect(stream, "", Dialect::Extended).unwrap();
        let (operation, range) = (Operation::BlockStatus, ByteRange::new(0, 8 << 30));
        let status = client.call(&Request { operation, range, flags: Flags::NONE }, &[]).unwrap();
        let told: u64 = status.extents.iter().map(|extent| extent.length).sum();
        assert!(status.extents.iter().all(|extent| extent.hole && extent.zero));
        assert_eq!(told, longest, "{:?}", status.extents);
        client.close().unwrap();
        recording.signal(Signal::INT);
        recording.finish().succeeds();
    }
}

#[test]
fn holes_of_the_export_are_told_to_the_client() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 8 * MIB);
    let server = nbdkit(&sandbox, "file disk.img");
    let client = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'write -P 1 1M 1M' \"$BLKREPLAY_URI\"
         nbdinfo --map \"$BLKREPLAY_URI\" >map",
    );
    let record = format!("record {} -o t.blkr --write -- {client}", server.uri);
    sandbox.blkreplay(&record).finish().succeeds();
    let map = String::from_utf8(sandbox.read("map")).unwrap();
    let lines: Vec<Vec<&str>> = map.lines().map(|line| line.split_whitespace().collect()).collect();
    let runs: Vec<_> = lines.iter().map(|words| (words[0], words[1], words[3])).collect();
    let expected = [
        ("0", "1048576", "hole,zero"),
        ("1048576", "1048576", "data"),
        ("2097152", "6291456", "hole,zero"),
    ];
    assert_eq!(runs, expected, "{map}");
}

#[test]
fn a_server_that_is_far_away_is_waited_for_and_the_trace_has_how_long() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 7, MIB);
    let server = nbdkit(&sandbox, "--filter=delay file disk.img rdelay=50ms");
    sandbox
        .blkreplay(&format!("record {} -o t.blkr --fingerprint none", server.uri))
        .args(["--", "nbdcopy", "--request-size=65536", "{uri}", "out.img"])
        .finish()
        .succeeds();
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert_eq!(trace.bytes("read"), MIB);
    let quick = sandbox.blkreplay("print t.blkr --json").args(["-f", "read && lat < 50ms"]);
    assert_eq!(quick.finish().succeeds().stdout, "", "none can be quicker than the server");
    sandbox.assert_same("disk.img", "out.img");
}
