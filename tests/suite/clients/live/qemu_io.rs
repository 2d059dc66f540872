//! A `qemu-io` script: replayed as it was, and with one line changed, dropped or moved.

use crate::clients::live::{record, replay};
use crate::support::Sandbox;
use crate::trace::Trace;

const KIB: u64 = 1 << 10;

/// Shorter than the default, so that a test in which something never comes is over soon.
const PATIENCE: &str = "--patience 1s";

/// Every command but those of one kind waits for its answer, so the order is always this.
const SCRIPT: [&str; 12] = [
    "write -P 0x11 0 64k",
    "write -s data 128k 4k",
    "flush",
    "read -P 0x11 0 64k",
    "discard 0 32k",
    "write -z 32k 16k",
    "write -P 0x22 256k 8k",
    "flush",
    "write -f -P 0x33 512k 4k",
    "read -P 0x22 256k 8k",
    "flush",
    "read 768k 64k",
];

/// A sandbox with a disk, its copy, and the data that the script writes.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 30, 1024 * KIB);
    sandbox.copy("disk.img", "before.img");
    sandbox.solid("data", 31, 4 * KIB);
    sandbox
}

/// The words that run a script; what it prints goes to the file `said`.
fn client(sandbox: &Sandbox, name: &str, lines: &[&str]) -> String {
    // Without -t writeback every write would carry FUA, and wait.
    sandbox.write(&format!("{name}.script"), format!("{}\nquit\n", lines.join("\n")).as_bytes());
    sandbox.script(
        &format!("{name}.sh"),
        &format!("qemu-io -t writeback -f raw \"$BLKREPLAY_URI\" <{name}.script >said"),
    )
}

/// Records [`SCRIPT`].
#[track_caller]
fn recorded(sandbox: &Sandbox) -> Trace {
    let trace = record(sandbox, "--write", &client(sandbox, "recorded", &SCRIPT));
    assert_eq!((trace.count("write"), trace.count("read")), (4, 3));
    assert!(trace.count("flush") >= 4, "three of the script's, and one at the close");
    trace
}

/// [`SCRIPT`] with `new` in the place of the line `old`.
fn with<'a>(old: &str, new: &'a str) -> Vec<&'a str> {
    assert!(SCRIPT.contains(&old), "{old} is in the script");
    SCRIPT.into_iter().map(|line| if line == old { new } else { line }).collect()
}

/// [`SCRIPT`] without the line at `place`, which must be `line`.
fn without(place: usize, line: &str) -> Vec<&'static str> {
    let mut lines = SCRIPT.to_vec();
    assert_eq!(lines.remove(place), line);
    lines
}

#[test]
fn a_script_that_does_the_same_again_is_no_divergence() {
    let sandbox = prepared();
    let trace = recorded(&sandbox);
    let client = client(&sandbox, "again", &SCRIPT);
    replay(&sandbox, "before.img --write", &client).repeats(&trace);
    sandbox.assert_same("before.img", "disk.img");
    let said = String::from_utf8(sandbox.read("said")).unwrap();
    assert!(!said.contains("ailed"), "the client sees what it saw: {said}");
}

#[test]
fn a_write_that_is_moved_by_one_sector_is_a_change_of_its_offset() {
    let sandbox = prepared();
    let trace = recorded(&sandbox);
    let lines = with("write -P 0x22 256k 8k", "write -P 0x22 262656 8k");
    let moved = trace.of("write").filter(|row| row.off == 256 * KIB);
    replay(&sandbox, "before.img", &client(&sandbox, "moved", &lines))
        .diverges_at(&["changed"], moved)
        .in_fields(&["offset"])
        .says(&["262144", "262656"]);
}

#[test]
fn a_write_with_one_other_byte_is_a_change_of_its_data() {
    let sandbox = prepared();
    let trace = recorded(&sandbox);
    let mut data = sandbox.read("data");
    data[0x42c] ^= 1;
    sandbox.write("data", &data);
    let written = trace.of("write").filter(|row| row.off == 128 * KIB);
    replay(&sandbox, "before.img", &client(&sandbox, "again", &SCRIPT))
        .diverges_at(&["changed"], written)
        .in_fields(&["data"])
        .says(&["1 of 4,096 bytes", "0x42c"]);
}

#[test]
fn a_flush_that_is_dropped_is_missed_while_the_client_goes_on() {
    let sandbox = prepared();
    let trace = recorded(&sandbox);
    let client = client(&sandbox, "dropped", &without(7, "flush"));
    // All flushes are alike: that of the script's end takes the place of the one before. The client waits for an
    // answer to what comes behind, which the replay keeps.
    replay(&sandbox, &format!("before.img {PATIENCE}"), &client)
        .diverges_at(&["order", "missing"], trace.of("flush"));
}

#[test]
fn a_flush_that_is_dropped_at_the_end_is_missed_when_the_client_has_gone() {
    let sandbox = prepared();
    let trace = recorded(&sandbox);
    let mut lines = SCRIPT.to_vec();
    lines.truncate(10);
    lines.push(SCRIPT[11]);
    let client = client(&sandbox, "dropped", &lines);
    replay(&sandbox, &format!("before.img {PATIENCE}"), &client)
        .diverges_at(&["order", "missing"], trace.of("flush"));
}

#[test]
fn two_writes_that_wait_for_each_other_may_not_change_places() {
    let sandbox = prepared();
    let trace = recorded(&sandbox);
    let mut lines = SCRIPT.to_vec();
    lines.swap(0, 1);
    let client = client(&sandbox, "swapped", &lines);
    let first = trace.of("write").filter(|row| row.off == 0);
    replay(&sandbox, &format!("before.img {PATIENCE}"), &client)
        .diverges_at(&["order"], first)
        .says(&["threads"]);
}

/// The words that run two writes at once, in the order given: the first is large, so that the other one comes
/// while the image is still at work on it.
fn two_at_once(sandbox: &Sandbox, writes: [&str; 2]) -> String {
    // Commands of the command line are run one after the other with nothing in between.
    let [one, other] = writes;
    sandbox.script(
        "at-once.sh",
        &format!(
            "qemu-io -t writeback -f raw -c '{one}' -c '{other}' -c aio_flush \"$BLKREPLAY_URI\" >said"
        ),
    )
}

#[test]
fn two_writes_that_were_in_flight_together_may_change_places() {
    const LARGE: &str = "aio_write -P 0x44 0 8M";
    const SMALL: &str = "aio_write -P 0x55 12M 4k";
    let sandbox = Sandbox::new();
    sandbox.blank("before.img", 16 << 20);
    let client = two_at_once(&sandbox, [LARGE, SMALL]);
    // A machine may be so slow that the first is answered before the second comes; then that is what was recorded.
    let together = (0..20).find_map(|_| {
        sandbox.blank("disk.img", 16 << 20);
        let trace = record(&sandbox, "--write --force", &client);
        let [first, second, ..] = trace.rows.as_slice() else { panic!("{:?}", trace.rows) };
        let released = sandbox.blkreplay("print t.blkr --events --json").finish().succeeds();
        let place = |kind: &str, id: u64| {
            let event = released.stdout.lines().position(|line| {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                event["kind"] == kind && event["id"] == id
            });
            event.unwrap()
        };
        let together = place("issue", second.id) < place("block", first.id);
        together.then_some(trace)
    });
    let trace = together.expect("of twenty recordings, one has both writes in flight together");
    assert_eq!((trace.rows[0].len, trace.rows[1].len), (8192 * KIB, 4 * KIB));

    let client = two_at_once(&sandbox, [SMALL, LARGE]);
    replay(&sandbox, "before.img --write", &client).repeats(&trace);
    sandbox.assert_same("before.img", "disk.img");
}
