//! Traces that are hurt: what `check` finds, what `recover` keeps, and what a kill leaves.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use blkreplay_fixtures::damage::{cuts, flipped};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Finished, Sandbox, wait_for};

const MIB: u64 = 1 << 20;

/// A sandbox with the native fixture that has one of every operation, in several chunks.
fn fixture() -> (Sandbox, Vec<u8>) {
    let sandbox = Sandbox::new();
    let whole = blkreplay_fixtures::bytes("native/operations.blkr");
    sandbox.write("whole.blkr", &whole);
    (sandbox, whole)
}

/// The one JSON object that a command printed.
#[track_caller]
fn object(finished: &Finished) -> Value {
    assert_eq!(finished.stdout.lines().count(), 1, "{finished}");
    serde_json::from_str(&finished.stdout).unwrap()
}

/// The codes of what `check` finds in a trace.
#[track_caller]
fn codes(sandbox: &Sandbox, name: &str) -> Vec<String> {
    let checked = sandbox.blkreplay(&format!("check {name} --deep --json")).finish();
    let checked = checked.ends_with_one_of(&[0, 1]);
    let object = object(&checked);
    assert_eq!(object["schema"], "blkreplay.check/1");
    let findings = object["findings"].as_array().unwrap().iter();
    let faults = findings.filter(|finding| finding["level"] == "fault");
    faults.map(|fault| fault["code"].as_str().unwrap().to_owned()).collect()
}

/// The events of a trace as JSON lines, without numbers of stored payloads.
#[track_caller]
fn events(sandbox: &Sandbox, name: &str) -> Vec<String> {
    let printed = sandbox.blkreplay(&format!("print {name} --events --json")).finish();
    printed.ends_with_one_of(&[0, 3]).stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_whole_trace_has_no_fault_and_is_recovered_whole() {
    let (sandbox, whole) = fixture();
    let checked = sandbox.blkreplay("check whole.blkr --deep").finish().succeeds();
    assert!(checked.stdout.starts_with("whole.blkr  ok  "), "{checked}");
    let recovered = sandbox.blkreplay("recover whole.blkr -o new.blkr").finish().succeeds();
    recovered.says(&[
        "recovered new.blkr",
        "nothing: whole.blkr is whole",
        "blkreplay check new.blkr",
    ]);
    assert_eq!(sandbox.read("whole.blkr"), whole, "the input is only read");
    assert_eq!(events(&sandbox, "new.blkr"), events(&sandbox, "whole.blkr"));
    assert!(codes(&sandbox, "new.blkr").is_empty());
    let mode = std::fs::metadata(sandbox.path("new.blkr")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds data");
    let info = sandbox.blkreplay("info new.blkr").finish().succeeds();
    assert!(info.stdout.contains("recovered   from "), "{info}");
}

#[test]
fn whatever_is_done_to_a_trace_is_found_and_what_is_left_is_whole() {
    let (sandbox, whole) = fixture();
    let all: BTreeSet<String> = events(&sandbox, "whole.blkr").into_iter().collect();
    let flips = (0..whole.len()).step_by(37).map(|place| flipped(&whole, place));
    let cut = cuts(&whole).step_by(61).map(<[u8]>::to_vec);
    for (number, hurt) in flips.chain(cut).enumerate() {
        sandbox.write("hurt.blkr", &hurt);
        let checked = sandbox.blkreplay("check hurt.blkr").finish().ends_with_one_of(&[1, 2]);
        let recovered = sandbox.blkreplay("recover hurt.blkr -o new.blkr --force --json").finish();
        let recovered = recovered.ends_with_one_of(&[0, 2, 3]);
        assert_eq!(sandbox.read("hurt.blkr"), hurt);
        if recovered.stdout.is_empty() {
            recovered.ends_with(2).says(&["error", "hurt.blkr"]);
            checked.ends_with(2);
            continue;
        }
        let report = object(&recovered);
        assert_eq!(report["schema"], "blkreplay.recover/1");
        assert_eq!(report["whole"], false, "{recovered}");
        recovered.ends_with(if report["loss"] == true { 3 } else { 0 });
        assert!(codes(&sandbox, "new.blkr").is_empty(), "try {number}");
        sandbox.blkreplay("info new.blkr").finish().succeeds();
        sandbox.blkreplay("print new.blkr").finish().succeeds();
        for event in events(&sandbox, "new.blkr") {
            let added = event.contains(r#""kind":"end""#) && report["ended"] == false;
            // The names of devices are in the header, and may be lost with it.
            let known = all.contains(&event) || report["header"] != "whole";
            assert!(added || known, "try {number} made up {event}");
        }
    }
}

/// CRC-32C, so that lies have checksums that are right.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 * (sum & 1)))
    })
}

/// The trace with four bytes of the header of its first chunk changed, and the checksum right.
fn lie(whole: &[u8], at: usize, value: u32) -> Vec<u8> {
    let mut lie = whole.to_vec();
    let first = u32::from_le_bytes(whole[16..20].try_into().unwrap()) as usize;
    lie[first + at..first + at + 4].copy_from_slice(&value.to_le_bytes());
    let sum = crc32c(&lie[first..first + 80]);
    lie[first + 80..first + 84].copy_from_slice(&sum.to_le_bytes());
    lie
}

#[test]
fn a_trace_that_claims_to_be_huge_costs_no_memory() {
    let (sandbox, whole) = fixture();
    let program = env!("CARGO_BIN_EXE_blkreplay");
    // In kibibytes: what the largest chunk takes packed and unpacked, and the program itself.
    let limited = |command: &str| {
        let line = format!("ulimit -v 400000; exec '{program}' {command}");
        sandbox.tool("sh").args(["-c", &line]).finish()
    };
    let (body_max, summary_max) = (76_546_048, 1 << 20);
    for (at, value) in [
        (12, u32::MAX),
        (12, summary_max),
        (32, u32::MAX),
        (32, body_max),
        (36, u32::MAX),
        (36, body_max),
        (40, u32::MAX),
        (44, u32::MAX),
        (48, u32::MAX),
    ] {
        let hostile = lie(&whole, at, value);
        assert_ne!(hostile, whole);
        sandbox.write("huge.blkr", &hostile);
        let checked = limited("check huge.blkr --deep").ends_with_one_of(&[0, 1]);
        // A chunk of payloads has no events before it to be lost: nobody reads that.
        assert!(at == 44 || checked.stdout.contains("huge.blkr: fault "), "{at}: {checked}");
        limited("recover huge.blkr -o new.blkr --force").ends_with_one_of(&[0, 3]);
        assert!(codes(&sandbox, "new.blkr").is_empty(), "{at}: {value}");
        limited("print huge.blkr").ends_with_one_of(&[0, 3]);
        limited("info huge.blkr").ends_with_one_of(&[0, 3]);
    }
}

#[test]
fn several_traces_are_checked_and_each_fault_is_told() {
    let (sandbox, whole) = fixture();
    let mut hurt = flipped(&whole, whole.len() - 20);
    hurt[whole.len() / 2] ^= 1;
    sandbox.write("hurt.blkr", &hurt);
    sandbox.write("text.blkr", b"This is a letter, not a trace.\n");
    let checked = sandbox.blkreplay("check hurt.blkr whole.blkr").finish().ends_with(1);
    let faults = checked.stdout.lines().filter(|line| line.starts_with("hurt.blkr: fault "));
    assert_eq!(
        faults.count(),
        4,
        "two chunks, and two events that named data of the first: {checked}"
    );
    assert!(checked.stdout.contains("hint: blkreplay recover hurt.blkr -o NEW"), "{checked}");
    assert!(checked.stdout.contains("whole.blkr  ok  "), "{checked}");
    let checked = sandbox.blkreplay("check text.blkr hurt.blkr missing.blkr").finish();
    let checked = checked.ends_with(2).says(&["text.blkr", "missing.blkr"]);
    assert!(checked.stdout.contains("hurt.blkr  4 faults"), "{checked}");
}

#[test]
fn recover_never_touches_what_it_reads() {
    let (sandbox, whole) = fixture();
    std::os::unix::fs::symlink("whole.blkr", sandbox.path("link.blkr")).unwrap();
    std::fs::hard_link(sandbox.path("whole.blkr"), sandbox.path("hard.blkr")).unwrap();
    for output in ["whole.blkr", "./whole.blkr", "link.blkr", "hard.blkr"] {
        let refused = sandbox.blkreplay(&format!("recover whole.blkr -o {output} --force"));
        refused.finish().ends_with(2).says(&["are one file", "hint"]);
    }
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let line = format!("'{program}' recover - -o whole.blkr --force < whole.blkr");
    let refused = sandbox.tool("sh").args(["-c", &line]).finish();
    refused.ends_with(2).says(&["are one file"]);
    assert_eq!(sandbox.read("whole.blkr"), whole);
    sandbox.write("there.blkr", b"mine");
    let refused = sandbox.blkreplay("recover whole.blkr -o there.blkr").finish();
    refused.ends_with(2).says(&["it exists", "--force"]);
    assert_eq!(sandbox.read("there.blkr"), b"mine");
    let refused = sandbox.blkreplay("recover whole.blkr -o nowhere/new.blkr").finish();
    refused.ends_with(2).says(&["nowhere/new.blkr"]);
    sandbox.write("noise.blkr", &[7; 5000]);
    sandbox.blkreplay("recover noise.blkr -o new.blkr").finish().ends_with(2).says(&["noise.blkr"]);
    let left: Vec<_> = std::fs::read_dir(sandbox.path("")).unwrap().collect();
    assert_eq!(left.len(), 7, "nothing half is left behind: {left:?}");
}

#[test]
fn a_trace_comes_from_standard_input_too() {
    let (sandbox, whole) = fixture();
    sandbox.write("hurt.blkr", &whole[..whole.len() - 30]);
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let pipe = |command: &str| {
        let line = format!("cat hurt.blkr | '{program}' {command}");
        sandbox.tool("sh").args(["-c", &line]).finish()
    };
    pipe("check -").ends_with(1);
    pipe("recover - -o new.blkr").ends_with(3).says(&["standard input", "recovered new.blkr"]);
    sandbox.blkreplay("check new.blkr").finish().succeeds();
}

#[test]
fn a_damaged_trace_names_the_way_out() {
    let (sandbox, whole) = fixture();
    sandbox.write("cut.blkr", &whole[..whole.len() - 30]);
    sandbox.write("header.blkr", &flipped(&whole, 70));
    for command in ["print", "info"] {
        let cut = sandbox.blkreplay(&format!("{command} cut.blkr")).finish().ends_with(3);
        cut.says(&["blkreplay recover cut.blkr -o NEW"]);
        let header = sandbox.blkreplay(&format!("{command} header.blkr")).finish().ends_with(2);
        header.says(&["blkreplay recover"]);
    }
    let recovered = sandbox.blkreplay("recover header.blkr -o new.blkr").finish().ends_with(3);
    recovered.says(&["the header is not whole"]);
    let info = sandbox.blkreplay("info new.blkr").finish().succeeds();
    assert!(info.stdout.contains("not verified"), "{info}");
}

#[test]
fn a_trace_with_a_hole_in_it_is_not_replayed_unasked() {
    let (sandbox, whole) = fixture();
    // The chunk of events in the middle.
    sandbox.write("hurt.blkr", &flipped(&whole, 1000));
    let recovered = sandbox.blkreplay("recover hurt.blkr -o new.blkr").finish().ends_with(3);
    recovered.says(&["lost between"]);
    sandbox.blank("disk.img", 16 * MIB);
    let refused = sandbox.blkreplay("replay new.blkr disk.img --any-image").finish();
    refused.ends_with(2).says(&["events are missing", "--allow-truncated"]);
    let options = "--any-image --allow-truncated --write";
    let replayed = sandbox.blkreplay(&format!("replay new.blkr disk.img {options}")).finish();
    replayed.ends_with_one_of(&[0, 1]).says(&["warning", "events are missing"]);
}

/// Records a client that writes all the time and marks as it goes, and kills the recorder when so many marks
/// were acknowledged. Gives these.
fn killed_after(sandbox: &Sandbox, marks: usize, options: &str) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_blkreplay");
    sandbox.blank("disk.img", 16 * MIB);
    let writes: Vec<String> =
        (0..400).map(|n| format!("-c 'write -q -P {} {}k 16k'", n % 250 + 1, n * 16)).collect();
    let client = sandbox.script(
        "client.sh",
        &format!(
            "( while qemu-io -f raw {} \"$BLKREPLAY_URI\"; do :; done ) >/dev/null 2>&1 &\n\
             n=0\n\
             while '{program}' mark \"m$n\"; do echo \"m$n\" >> marked; n=$((n + 1)); done",
            writes.join(" "),
        ),
    );
    let mut recording =
        sandbox.blkreplay(&format!("record disk.img -o t.blkr {options} -- {client}")).start();
    let marked = || std::fs::read_to_string(sandbox.path("marked")).unwrap_or_default();
    wait_for("marks", || (marked().lines().count() >= marks).then_some(()));
    recording.signal(Signal::KILL);
    recording.finish().ended_by(Signal::KILL);
    marked().lines().map(str::to_owned).collect()
}

/// Asserts that a killed recording has every mark of which somebody was told, and that all of it can be used.
#[track_caller]
fn check_killed(sandbox: &Sandbox, marks: &[String]) {
    let left = codes(sandbox, "t.blkr");
    assert!(left == ["no-end"] || left == ["cut"], "every chunk but a last one is whole: {left:?}");
    let recovered = sandbox.blkreplay("recover t.blkr -o new.blkr").finish().ends_with(3);
    recovered.says(&["the end of the recording"]);
    assert!(codes(sandbox, "new.blkr").is_empty());
    let events = events(sandbox, "new.blkr");
    let found: BTreeSet<_> =
        events.iter().filter(|line| line.contains(r#""kind":"mark""#)).collect();
    for mark in marks {
        let name = format!(r#""name":"{mark}""#);
        assert!(found.iter().any(|line| line.contains(&name)), "{mark} is lost");
    }
    sandbox.blkreplay("print new.blkr").finish().succeeds();
    sandbox.blank("before.img", 16 * MIB);
    let replayed = sandbox.blkreplay("replay new.blkr before.img --write").finish().succeeds();
    replayed.says(&["0 differences"]);
}

#[test]
fn whatever_was_acknowledged_before_a_kill_is_in_the_trace() {
    for marks in [1, 7, 20] {
        let sandbox = Sandbox::new();
        let marked = killed_after(&sandbox, marks, "");
        check_killed(&sandbox, &marked);
    }
}

#[test]
fn a_recording_that_waits_for_the_disk_keeps_its_promise_too() {
    let sandbox = Sandbox::new();
    let marked = killed_after(&sandbox, 5, "--sync chunk --payload all");
    check_killed(&sandbox, &marked);
    for output in ["none", "-"] {
        let refused =
            sandbox.blkreplay(&format!("record disk.img -o {output} --sync chunk -- true"));
        refused.finish().ends_with(2).says(&["--sync chunk needs a trace in a file"]);
    }
}
