//! A `qemu-io` script: asynchronous writes that overlap, discard, write zeroes, FUA, flush.

use crate::clients::assert_replays;
use crate::support::Sandbox;
use crate::trace::Trace;

const KIB: u64 = 1 << 10;

#[test]
fn a_script_of_overlapping_requests_is_recorded_request_for_request() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 3, 4096 * KIB);
    sandbox.copy("disk.img", "before.img");
    sandbox.write(
        "script",
        b"aio_write -P 0x11 0 64k
aio_write -P 0x22 32k 64k
aio_write -P 0x33 16k 64k
aio_write -P 0x44 0 128k
aio_read 64k 32k
aio_flush
discard 256k 64k
write -z -u 384k 64k
write -z 448k 64k
write -f -P 0x55 512k 4k
read -P 0 256k 64k
read -P 0 384k 128k
read -P 0x55 512k 4k
flush
quit
",
    );
    let client =
        sandbox.script("client.sh", "qemu-io -t writeback -f raw \"$BLKREPLAY_URI\" <script >said");
    sandbox
        .blkreplay(&format!("record disk.img -o t.blkr --write -- {client}"))
        .finish()
        .succeeds();
    let said = String::from_utf8(sandbox.read("said")).unwrap();
    assert!(!said.contains("ailed"), "{said}");

    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());
    let mut asked: Vec<_> = trace.tally().into_iter().collect();
    let flushes =
        asked.extract_if(.., |((op, ..), _)| op == "flush").map(|(_, count)| count).sum::<u64>();
    assert!(flushes >= 2, "two were asked for; qemu-io adds one at the end");
    let expected = [
        ("discard", 256, 64, false),
        ("read", 64, 32, false),
        ("read", 256, 64, false),
        ("read", 384, 128, false),
        ("read", 512, 4, false),
        ("write", 0, 64, false),
        ("write", 0, 128, false),
        ("write", 16, 64, false),
        ("write", 32, 64, false),
        ("write", 512, 4, true),
        ("write_zeroes", 384, 64, false),
        ("write_zeroes", 448, 64, false),
    ];
    let expected =
        expected.map(|(op, off, len, durable)| ((op.to_owned(), off * KIB, len * KIB, durable), 1));
    assert_eq!(asked, expected);
    let no_hole = |row: &&crate::trace::Row| row.flags.iter().any(|flag| flag == "no_hole");
    assert_eq!(trace.of("write_zeroes").filter(no_hole).count(), 1, "only -u lets us unmap");
    assert_replays(&sandbox);
}

#[test]
fn writes_to_an_image_that_may_not_be_written_fail_and_are_recorded_as_failed() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 3, 64 * KIB);
    let client = sandbox.script("client.sh", "qemu-io -r -f raw -c 'read 0 4k' \"$BLKREPLAY_URI\"");
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert_eq!((trace.count("read"), trace.count("write")), (1, 0));
}
