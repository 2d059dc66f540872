//! Extended headers, which QEMU asks for before anything else: one request may cover more than 4 GiB.
//!
//! Images are sparse, and stay so. Invariant: what was negotiated is read from the trace, never assumed.

use std::os::unix::net::UnixStream;

use blkreplay_core::nbd::{Client, Dialect};
use blkreplay_core::request::{Errno, Flags, Operation, Request};
use blkreplay_core::units::ByteRange;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::Sandbox;
use crate::trace::Trace;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Fails, with what to do, where QEMU's tools know no extended headers.
#[track_caller]
pub(super) fn require_qemu(sandbox: &Sandbox) {
    let version = sandbox.tool("qemu-io").args(["--version"]).finish().succeeds().stdout;
    let number = version.split_whitespace().nth(2).unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let known = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    assert!(
        known >= (8, 2),
        "qemu-io {number} asks for no extended headers, 8.2 and later do\n\
         hint: install a later qemu-utils (Debian 12 has one in bookworm-backports)"
    );
}

/// What each connection of a trace agreed on: its `connect` events.
#[track_caller]
pub(super) fn connects(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let events = sandbox.printed(&format!("{name} --events --json"));
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let connects: Vec<Value> = events.filter(|event| event["kind"] == "connect").collect();
    assert!(!connects.is_empty(), "{name} has no connection");
    connects
}

/// Asserts that all connections of a trace have extended headers, as it is told in both forms.
#[track_caller]
fn assert_extended(sandbox: &Sandbox, name: &str) {
    for connect in connects(sandbox, name) {
        let agreed = (&connect["extended_headers"], &connect["structured_replies"]);
        assert_eq!(agreed, (&Value::Bool(true), &Value::Bool(true)), "{connect}");
    }
    let events = sandbox.printed(&format!("{name} --events"));
    assert!(events.contains(" structured_replies block_status extended_headers"), "{events}");
}

/// Replays `t.blkr` onto a sparse image of `size` bytes, which must become `disk.img`.
#[track_caller]
fn assert_replays(sandbox: &Sandbox, size: u64) {
    sandbox.blank("before.img", size);
    sandbox.blkreplay("replay t.blkr before.img --write").finish().succeeds();
    let compare = ["compare", "-f", "raw", "-F", "raw", "before.img", "disk.img"];
    sandbox.tool("qemu-img").args(compare).finish().succeeds();
}

/// Bytes that an image takes of its file system.
fn allocated(sandbox: &Sandbox, name: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(sandbox.path(name)).unwrap().blocks() * 512
}

#[test]
fn qemu_zeroes_5_gib_by_one_request_and_maps_8_gib() {
    let sandbox = Sandbox::new();
    require_qemu(&sandbox);
    sandbox.blank("disk.img", 8 * GIB);
    let client = sandbox.script(
        "client.sh",
        "qemu-io -t writeback -f raw -c 'write -P 7 512M 1M' -c 'write -P 7 2G 1M' -c 'write -P 7 7G 1M' \
         -c 'write -z -n -u 1G 5G' -c 'read -P 0 2G 1M' \"$BLKREPLAY_URI\" >said
         qemu-img map --output=json -f raw \"$BLKREPLAY_URI\" >map.json",
    );
    let record = format!("record disk.img -o t.blkr --write -- {client}");
    sandbox.blkreplay(&record).finish().succeeds();
    let said = String::from_utf8(sandbox.read("said")).unwrap();
    assert!(said.contains("wrote 5368709120/5368709120") && !said.contains("ailed"), "{said}");

    assert_extended(&sandbox, "t.blkr");
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());
    let zeroes: Vec<_> = trace.of("write_zeroes").map(|row| (row.off, row.len)).collect();
    assert_eq!(zeroes, [(GIB, 5 * GIB)]);
    let longest = trace.of("block_status").map(|row| row.len).max();
    assert!(longest > Some(4 * GIB), "{longest:?}");

    let map: Value = serde_json::from_slice(&sandbox.read("map.json")).unwrap();
    let runs = map.as_array().unwrap().iter();
    let runs: Vec<_> = runs.map(|run| (run["start"].as_u64(), run["data"] == true)).collect();
    let data = 512 * MIB;
    let expected = [(0, false), (data, true), (data + MIB, false), (7 * GIB, true)];
    let last = (7 * GIB + MIB, false);
    let expected = expected.into_iter().chain([last]).map(|(start, data)| (Some(start), data));
    assert_eq!(runs, expected.collect::<Vec<_>>(), "{map}");
    assert!(allocated(&sandbox, "disk.img") < 16 * MIB, "what was zeroed takes no room");
    assert_replays(&sandbox, 8 * GIB);
}

/// A snapshot that nothing else holds on to is given back by one discard when it is deleted.
#[test]
fn qemu_discards_6_gib_by_one_request() {
    let sandbox = Sandbox::new();
    require_qemu(&sandbox);
    sandbox.blank("disk.img", 8 * GIB);
    let client = sandbox.script(
        "client.sh",
        "qemu-img create -q -f qcow2 -o preallocation=metadata,cluster_size=2M \"$BLKREPLAY_URI\" 6G
         qemu-img snapshot -c all \"$BLKREPLAY_URI\"
         for gib in 0 1 2 3 4 5; do set -- \"$@\" -c \"discard ${gib}G 1G\"; done
         qemu-io -f qcow2 \"$@\" \"$BLKREPLAY_URI\" >said
         qemu-img snapshot -d all \"$BLKREPLAY_URI\"
         qemu-img check -q -f qcow2 \"$BLKREPLAY_URI\"",
    );
    let record = format!("record disk.img -o t.blkr --write -- {client}");
    sandbox.blkreplay(&record).finish().succeeds();

    assert_extended(&sandbox, "t.blkr");
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());
    let longest = trace.of("discard").map(|row| row.len).max();
    assert!(longest >= Some(6 * GIB), "{longest:?}");
    assert!(allocated(&sandbox, "disk.img") < 64 * MIB, "what was discarded takes no room");
    assert_replays(&sandbox, 8 * GIB);
}

/// What reads a trace, and how each ends.
const READERS: &[(&str, i32)] = &[
    ("print t.blkr", 0),
    ("print t.blkr --events", 0),
    ("print t.blkr --format canonical", 0),
    ("print t.blkr --format csv", 0),
    ("print t.blkr -f end>100&&len>mean(len)", 0),
    ("print t.blkr -f seek!=0", 0),
    ("info t.blkr", 0),
    ("stats t.blkr", 0),
    ("stats t.blkr --by op --json", 0),
    ("check t.blkr --deep", 0),
    ("check t.blkr --findings", 1),
    ("diff t.blkr t.blkr", 0),
    ("diff t.blkr t.blkr --align conflict", 0),
    ("diff t.blkr t.blkr --align key", 0),
    ("diff t.blkr t.blkr --align state", 0),
    ("slice t.blkr -f read -o slice.blkr", 0),
    ("merge t.blkr slice.blkr -o merged.blkr", 0),
    ("compact t.blkr -o compact.blkr", 0),
    ("stats compact.blkr", 0),
    ("print compact.blkr -f len>5", 0),
    ("anonymize t.blkr -o nobody.blkr", 0),
    ("recover t.blkr -o recovered.blkr", 0),
    ("inspect t.blkr", 0),
    ("replay t.blkr before.img --write", 0),
];

/// Everything that sums up lengths or adds them to offsets must bear those that a hostile client makes up.
#[test]
fn lengths_near_2_to_the_64_are_refused_recorded_and_harm_no_command() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    sandbox.blank("before.img", MIB);
    let mut recording = sandbox
        .blkreplay(
            "record disk.img -o t.blkr --write --payload all --max-size 16M --listen unix:run/s",
        )
        .start();
    recording.wait_for_stderr("serving");
    let stream = UnixStream::connect(sandbox.path("run/s")).unwrap();
    let mut client = Client::connect(stream, "", Dialect::Extended).unwrap();
    client.write(0, b"in order", Flags::FUA).unwrap();
    let operations = [
        Operation::Read,
        Operation::WriteZeroes,
        Operation::Discard,
        Operation::BlockStatus,
        Operation::Cache,
    ];
    let mut refused = 0;
    for operation in operations.into_iter().cycle().take(4 * operations.len()) {
        for (offset, length) in [(0, u64::MAX), (4096, u64::MAX), (1 << 63, 1 << 63), (u64::MAX, 1)]
        {
            let range = ByteRange::new(offset, length);
            let request = Request { operation, range, flags: Flags::NONE };
            let errno = match operation {
                Operation::WriteZeroes => Errno::ENOSPC,
                _ => Errno::EINVAL,
            };
            client.send(&request, &[]).unwrap();
            assert_eq!(client.receive().unwrap().result, Err(errno), "{request:?}");
            refused += 1;
        }
    }
    assert_eq!(client.read(ByteRange::new(0, 8)).unwrap(), b"in order");
    client.close().unwrap();
    recording.signal(Signal::INT);
    recording.finish().succeeds();

    let trace = Trace::whole(&sandbox, "t.blkr");
    assert_eq!((trace.rows.len(), trace.failures().len()), (refused + 2, refused));
    assert_eq!(trace.of("discard").next().map(|row| row.len), Some(u64::MAX));
    for (command, code) in READERS {
        sandbox.blkreplay(command).finish().ends_with(*code);
    }
    sandbox.assert_same("before.img", "disk.img");
}
