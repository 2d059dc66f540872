//! `check` and `recover` on real logs, whole and hurt.

use serde_json::Value;

use super::{hurt, log};
use crate::support::{Finished, Sandbox};

fn with(log: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("q.rr", log);
    sandbox
}

fn run(sandbox: &Sandbox, words: &str) -> Finished {
    sandbox.blkreplay(words).finish()
}

/// The codes of what is found, and the bytes at which it is.
#[track_caller]
fn found(finished: &Finished) -> Vec<(String, u64)> {
    let object: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(object["schema"], "blkreplay.check/1");
    let findings = object["findings"].as_array().unwrap().iter();
    let code = |one: &Value| one["code"].as_str().unwrap().to_owned();
    findings.map(|one| (code(one), one["offset"].as_u64().unwrap())).collect()
}

/// A log whose version no QEMU writes.
fn unknown_version() -> Vec<u8> {
    let mut log = log("qemu/logs/q100-boot_a.rr.zst");
    log[3] = 0xff;
    log
}

#[test]
fn logs_as_qemu_wrote_them_have_nothing_wrong() {
    for name in [
        "q52-boot_a",
        "q72-boot_a",
        "q72-boot_b",
        "q100-boot_a",
        "q100-boot_b",
        "q111-boot_a",
        "q52-linux_a",
        "q100-linux_a",
        "q111-rich",
        "q100-fix-a1",
        "q100-fix-a2",
        "q100-fix-b1",
    ] {
        let sandbox = with(&log(&format!("qemu/logs/{name}.rr.zst")));
        let told = run(&sandbox, "check q.rr --json").succeeds();
        assert_eq!(found(&told), [], "{name}");
        let told = run(&sandbox, "check q.rr").succeeds();
        assert!(
            told.stdout.starts_with("q.rr  ok  ") && told.stdout.lines().count() == 1,
            "{told}"
        );
    }
}

#[test]
fn what_qemu_hangs_on_is_found_where_it_is() {
    let fixture = |name: &str| log(&format!("qemu/logs/{name}.rr.zst"));
    for (log, faults, expected) in [
        (
            fixture("q100-flip-blockid"),
            true,
            &[("block-twice", 10751), ("block-missing", 10863)][..],
        ),
        (fixture("q100-flip-eventid"), true, &[("event", 4177)]),
        (fixture("q100-trunc-half"), true, &[("cut", 7640)]),
        (hurt("q100-trunc-boundary"), true, &[("no-end", 7645)]),
        (fixture("q100-killed"), true, &[("no-version", 0), ("no-end", 1_019_916)]),
        (unknown_version(), true, &[("version", 0)]),
        (hurt("q100-trailing"), false, &[("trailing", 15286)]),
    ] {
        let sandbox = with(&log);
        let told = run(&sandbox, "check q.rr --json").ends_with(i32::from(faults));
        let found = found(&told);
        let found: Vec<_> = found.iter().map(|(code, at)| (code.as_str(), *at)).collect();
        assert_eq!(found, expected);
        let told = run(&sandbox, "check q.rr").ends_with(i32::from(faults));
        for (code, at) in expected {
            let place = format!("{code} at byte {at}, event ");
            assert!(told.stdout.contains(&place), "{place:?} is missing: {told}");
        }
    }
}

#[test]
fn a_log_and_a_trace_are_checked_one_after_the_other() {
    let sandbox = with(&log("qemu/logs/q100-boot_a.rr.zst"));
    sandbox.blank("disk.img", 1 << 20);
    sandbox.blkreplay("record disk.img -o t.blkr -- true").finish().succeeds();
    sandbox.write("nothing", b"nothing");
    let told = run(&sandbox, "check q.rr t.blkr nothing").ends_with(2).says(&["nothing"]);
    assert_eq!(told.stdout.lines().count(), 2, "{told}");
    let told = run(&sandbox, "info q.rr t.blkr").succeeds();
    assert!(told.stdout.contains("QEMU log") && told.stdout.contains("t.blkr"), "{told}");
}

#[test]
fn a_recovered_log_is_whole_and_says_what_it_was() {
    for (name, events, added) in [
        // The last whole event of it is one that QEMU cannot replay without the next.
        ("q100-killed", 318_607, "version 0xe0200c, of layout 0c/v8.0; a shutdown and an end"),
        ("q100-trunc-half", 2300, "added    a shutdown and an end"),
        ("q100-flip-eventid", 1269, "added    a shutdown and an end"),
    ] {
        let before = log(&format!("qemu/logs/{name}.rr.zst"));
        let sandbox = with(&before);
        run(&sandbox, "recover q.rr -o new.rr")
            .ends_with(3)
            .says(&[added, "lost     what came behind byte "]);
        assert!(sandbox.read("q.rr") == before, "it is only read");
        let told = run(&sandbox, "print new.rr --json").succeeds();
        assert_eq!(told.stdout.lines().count(), events + 2);
        let last: Vec<&str> = told.stdout.lines().skip(events).collect();
        assert!(
            last[0].contains("\"cause\":\"host_signal\"") && last[1].contains("\"kind\":\"end\""),
            "{last:?}"
        );
        let told = run(&sandbox, "check new.rr").succeeds();
        assert!(told.stdout.contains("ended-by-signal"), "{told}");
        run(&sandbox, "recover q.rr -o new.rr").ends_with(2).says(&["new.rr", "--force"]);
        run(&sandbox, "recover q.rr -o new.rr --force").ends_with(3);
        run(&sandbox, "recover q.rr -o q.rr --force").ends_with(2).says(&["are one file"]);
    }
}

#[test]
fn a_whole_log_is_copied_and_what_follows_its_end_is_left_out() {
    let whole = log("qemu/logs/q100-boot_a.rr.zst");
    let sandbox = with(&whole);
    run(&sandbox, "recover q.rr -o new.rr").succeeds().says(&["lost     nothing: q.rr is whole"]);
    assert!(sandbox.read("new.rr") == whole);
    sandbox.write("q.rr", &hurt("q100-trailing"));
    run(&sandbox, "recover q.rr -o new.rr --force")
        .succeeds()
        .says(&["10 B behind the end, which QEMU ignores"]);
    assert!(sandbox.read("new.rr") == whole);
    sandbox.write("q.rr", &unknown_version());
    let told = run(&sandbox, "recover q.rr -o new.rr --force --json").succeeds();
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["version_restored"], &told["events"]), (&true.into(), &3758.into()));
}

#[test]
fn the_layout_of_a_recovered_log_can_be_asked_for() {
    let sandbox = with(&log("qemu/logs/q100-killed.rr.zst"));
    run(&sandbox, "recover q.rr -o new.rr --qemu-layout 0e/v11.1")
        .ends_with(3)
        .says(&["version 0xe0200e"]);
    let told = run(&sandbox, "info new.rr").succeeds();
    assert!(told.stdout.contains("layout      0e/v11.1, the only one of its version"), "{told}");
}

#[test]
fn what_has_no_whole_event_is_not_recovered() {
    let sandbox = with(&[0, 0xe0, 0x20, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0xff]);
    run(&sandbox, "recover q.rr -o new.rr").ends_with(2).says(&["it has no whole event"]);
    assert!(!sandbox.path("new.rr").exists());
}
