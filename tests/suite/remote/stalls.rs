//! Servers that say nothing for a while, or for ever: whoever can go on does, who asks is told what is waited for, and a
//! recording that is to end ends.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use blkreplay_core::nbd::{Client, Dialect};
use blkreplay_core::request::{Flags, Operation, Request};
use blkreplay_core::units::ByteRange;
use rustix::process::Signal;

use crate::remote::{MIB, Served, nbdkit};
use crate::support::{Running, Sandbox, wait_for};
use crate::trace::rows;

/// Reads of the first half, and flushes, wait until there is a file `go`; how many wait is told by the lines of `waits`.
const PLUGIN: &str = "#!/bin/sh
    wait() {
        echo waits >>waits
        while test -e waits && ! test -e go; do sleep 0.02; done
    }
    case $1 in
        get_size) echo 1M;;
        thread_model) echo parallel;;
        can_write | can_flush) exit 0;;
        pread) test $4 -ge 524288 || wait; head -c $3 /dev/zero;;
        pwrite) cat >/dev/null;;
        flush) wait;;
        *) exit 2;;
    esac
";

fn stalling(sandbox: &Sandbox) -> Served {
    // The plugin runs where the server does, in no directory of ours.
    let here = sandbox.path("").display().to_string();
    let plugin = PLUGIN.replacen('\n', &format!("\n    cd '{here}'\n"), 1);
    sandbox.write("plugin.sh", plugin.as_bytes());
    fs::set_permissions(sandbox.path("plugin.sh"), Permissions::from_mode(0o755)).unwrap();
    nbdkit(sandbox, "sh plugin.sh")
}

/// A recording of it that serves `run/s`.
fn recording(sandbox: &Sandbox, server: &Served) -> Running {
    let record =
        format!("record {} -o t.blkr --write --fingerprint none --listen unix:run/s", server.uri);
    let mut recording = sandbox.blkreplay(&record).start();
    recording.wait_for_stderr("serving");
    recording
}

fn client(sandbox: &Sandbox) -> Client<UnixStream> {
    let stream = UnixStream::connect(sandbox.path("run/s")).unwrap();
    Client::connect(stream, "", Dialect::Structured).unwrap()
}

fn send(client: &mut Client<UnixStream>, operation: Operation, offset: u64) -> u64 {
    let length = if operation == Operation::Flush { 0 } else { 4096 };
    let range = ByteRange::new(offset, length);
    client.send(&Request { operation, range, flags: Flags::NONE }, &[]).unwrap()
}

/// Waits until so many requests are with the server and do not come back.
#[track_caller]
fn are_stalled(sandbox: &Sandbox, count: usize) {
    wait_for("requests that stall", || {
        let waits = fs::read_to_string(sandbox.path("waits")).unwrap_or_default();
        (waits.lines().count() == count).then_some(())
    });
}

#[test]
fn what_does_not_need_the_answer_that_never_comes_goes_on_and_who_asks_is_told_what_waits() {
    let sandbox = Sandbox::new();
    let server = stalling(&sandbox);
    let mut recording = recording(&sandbox, &server);
    let mut slow = client(&sandbox);
    let stalled = [send(&mut slow, Operation::Read, 8192), send(&mut slow, Operation::Flush, 0)];
    are_stalled(&sandbox, 2);
    // Of the same connection and of another one.
    let quick = send(&mut slow, Operation::Read, MIB / 2);
    assert_eq!(slow.receive().unwrap().cookie, quick);
    let mut other = client(&sandbox);
    other.write(MIB / 2, &[1; 4096], Flags::NONE).unwrap();
    assert_eq!(other.read(ByteRange::new(MIB - 4096, 4096)).unwrap(), [0; 4096]);

    recording.signal(Signal::USR1);
    recording.wait_for_stderr("waiting  requests with an image: read 8192+4096, flush\n");
    sandbox.write("go", b"");
    let mut came = [slow.receive().unwrap(), slow.receive().unwrap()].map(|answer| answer.cookie);
    came.sort_unstable();
    assert_eq!(came, stalled);
    recording.signal(Signal::INT);
    recording.finish().succeeds();

    let released = sandbox.printed("--events --json t.blkr");
    let released = released.lines().map(|line| serde_json::from_str(line).unwrap());
    let ids: Vec<u64> = released
        .filter(|event: &serde_json::Value| event["kind"] == "block")
        .map(|event| event["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids[..3], [2, 3, 4], "the trace has what overtook what: {ids:?}");
    assert_eq!(ids.len(), 5);
}

#[test]
fn a_recording_ends_although_its_image_never_answers_and_says_what_it_gave_up() {
    for command in [false, true] {
        let sandbox = Sandbox::new();
        let server = stalling(&sandbox);
        let stalled = ["read 8192+4096", "flush"];
        let mut ending = if command {
            let client = sandbox.script(
                "client.sh",
                "qemu-io -f raw -c 'read 8k 4k' \"$BLKREPLAY_URI\" >said 2>&1 & exec sleep 600",
            );
            let record =
                format!("record {} -o t.blkr --write --fingerprint none -- {client}", server.uri);
            let recording = sandbox.blkreplay(&record).start();
            are_stalled(&sandbox, 1);
            recording
        } else {
            let recording = recording(&sandbox, &server);
            let mut client = client(&sandbox);
            send(&mut client, Operation::Read, 8192);
            send(&mut client, Operation::Flush, 0);
            send(&mut client, Operation::Read, MIB / 2);
            client.receive().unwrap();
            are_stalled(&sandbox, 2);
            recording
        };
        let begun = Instant::now();
        ending.signal(Signal::TERM);
        let ended = ending.finish().ends_with(2);
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
        let count = if command { "1 request" } else { "2 requests" };
        let given_up = format!(
            "error: gave up {count} to which the image had no answer for 10 seconds: read 8192+4096"
        );
        let ended = ended.says(&["waiting  requests with an image: read 8192+4096", &given_up]);
        let printed = sandbox.printed("t.blkr --json");
        let unanswered: Vec<String> = rows(&printed)
            .iter()
            .filter(|row| row.result.is_none())
            .map(|row| {
                if row.op == "flush" {
                    row.op.clone()
                } else {
                    format!("{} {}+{}", row.op, row.off, row.len)
                }
            })
            .collect();
        let expected = if command { &stalled[..1] } else { &stalled[..] };
        assert_eq!(unanswered, expected, "the trace has them without an answer: {ended}");
        sandbox.blkreplay("check t.blkr").finish().succeeds();
    }
}
