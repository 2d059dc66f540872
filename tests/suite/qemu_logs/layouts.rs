//! Layouts as people meet them: found though the version is wrong, asked for, and keys by the names of their age.

use blkreplay_core::event::{EventKind, Input, Key};
use blkreplay_core::qemu::{Encoder, Layout};
use blkreplay_fixtures::bytes;

use super::log;
use crate::support::Sandbox;

const BOOT: &str = "qemu/logs/q100-boot_a.rr.zst";

/// A sandbox with this log as `q.rr`.
fn with(log: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("q.rr", log);
    sandbox
}

#[test]
fn a_version_that_nobody_knows_or_that_is_wrong_does_not_hide_the_layout() {
    for (version, why) in [
        (0x00e0_20ff_u32, "found by trying all: the log names no version that is known"),
        (0x00e0_200a, "found by trying all: none of its version reads the log"),
    ] {
        let mut log = log(BOOT);
        log[..4].copy_from_slice(&version.to_be_bytes());
        let told = with(&log).blkreplay("info q.rr").finish().succeeds();
        assert!(told.stdout.contains(&format!("version     {version:#x}\n")), "{told}");
        assert!(told.stdout.contains(&format!("layout      0c/v8.0, {why}\n")), "{told}");
    }
}

#[test]
fn a_log_whose_header_is_ruined_is_read_when_its_layout_is_asked_for() {
    let mut ruined = log(BOOT);
    ruined[..12].copy_from_slice(b"no log at al");
    let sandbox = with(&ruined);
    sandbox.blkreplay("info q.rr").finish().ends_with(2).says(&["not a blkreplay trace"]);
    let told = sandbox.blkreplay("info q.rr --qemu-layout 0c/v8.0").finish().succeeds();
    assert!(told.stdout.contains("3,758 events"), "{told}");
    let told = sandbox.blkreplay("print q.rr --qemu-layout 0c/v8.0 --at end").finish().succeeds();
    assert_eq!(told.stdout.lines().count(), 2, "{told}");
}

#[test]
fn a_layout_that_does_not_fit_says_where_it_stops_and_what_lies_before() {
    let sandbox = with(&log(BOOT));
    let place = "q.rr: byte 24, event 4, 9500 instructions in: no event has the number 234";
    sandbox
        .blkreplay("print q.rr --qemu-layout 0a/v5.1")
        .finish()
        .ends_with(3)
        .says(&[place, "hint: blkreplay info q.rr  tells which layouts fit"]);
    sandbox.blkreplay("info q.rr --qemu-layout 0a/v5.1").finish().ends_with(3).says(&[
        place,
        "hint: blkreplay print q.rr --tail 20 --qemu-layout 0a/v5.1  shows the events",
    ]);
}

#[test]
fn a_trace_has_no_layout() {
    let sandbox = Sandbox::new();
    sandbox.write("t.blkr", &bytes("native/operations.blkr"));
    for command in ["info", "print", "check", "recover -o new"] {
        let told = sandbox.blkreplay(&format!("{command} t.blkr --qemu-layout 0c/v8.0")).finish();
        let told = told.ends_with(2).says(&["t.blkr is a trace: only QEMU logs have layouts"]);
        assert_eq!(told.stdout, "");
    }
}

#[test]
fn a_log_is_not_followed_be_it_finished_or_not() {
    for name in [BOOT, "qemu/logs/q100-killed.rr.zst"] {
        let told = with(&log(name)).blkreplay("print q.rr -F").finish().ends_with(2);
        let told =
            told.says(&["not a trace: QEMU writes its version last", "blkreplay print q.rr"]);
        assert_eq!(told.stdout, "");
    }
}

#[test]
fn a_killed_recording_is_read_from_a_pipe_as_from_a_file() {
    let sandbox = with(&log("qemu/logs/q100-killed.rr.zst"));
    for command in ["info", "print --tail 5"] {
        let (name, options) = command.split_once(' ').unwrap_or((command, ""));
        let file = sandbox.blkreplay(&format!("{name} q.rr {options}")).finish().ends_with(3);
        let line = format!("cat q.rr | '{}' {name} - {options}", env!("CARGO_BIN_EXE_blkreplay"));
        let pipe = sandbox.tool("sh").args(["-c", &line]).finish().ends_with(3);
        assert_eq!(file.stdout.replacen("q.rr  ", "standard input  ", 1), pipe.stdout);
    }
}

#[test]
fn a_key_has_the_name_that_the_qemu_of_its_log_gave_it() {
    for (label, key, name) in [
        ("02/v2.5", Key::Qcode(5), Some("altgr")),
        ("02/v2.5", Key::Qcode(38), Some("a")),
        ("06/v2.10", Key::Qcode(5), Some("ctrl")),
        ("0c/v8.0", Key::Qcode(36), Some("a")),
        ("0c/v8.0", Key::Qcode(161), Some("f24")),
        ("0c/v8.0", Key::Qcode(162), None),
        ("0c/v8.0", Key::Number(30), None),
        ("0e/v11.1", Key::Linux(30), Some("a")),
    ] {
        let encoder = Encoder::new(Layout::named(label).unwrap());
        let mut log = encoder.header().to_vec();
        let mut put = |kind| encoder.put(&kind, checkpoint(label), &mut log).unwrap();
        put(EventKind::Input(Input::Key { key, down: true }));
        let mut put = |kind| encoder.put(&kind, None, &mut log).unwrap();
        put(EventKind::End { status: None });
        let sandbox = with(&log);
        let told = sandbox.blkreplay("print q.rr --json -n 1").finish().succeeds();
        let event: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(event.get("name").and_then(|name| name.as_str()), name, "{label}: {told}");
        let told = sandbox.blkreplay("print q.rr -n 1").finish().succeeds();
        let shown = name.map_or(String::new(), |name| format!("{name} "));
        let words = format!("key {shown}({} {}) down", key.name(), key.code());
        assert!(told.stdout.contains(&words), "{label}: {told}");
    }
}

/// Where an asynchronous event of this layout says that it was written.
fn checkpoint(label: &str) -> Option<blkreplay_core::event::Checkpoint> {
    (label < "0b").then_some(blkreplay_core::event::Checkpoint::ClockHost)
}

#[test]
fn old_logs_say_at_which_checkpoint_an_event_was_written() {
    let sandbox = with(&log("qemu/logs/q52-boot_a.rr.zst"));
    let told = sandbox.blkreplay("print q.rr --at #3 -n 1").finish().succeeds();
    assert!(told.stdout.ends_with(" block               #3 at clock_host\n"), "{told}");
    let told = sandbox.blkreplay("print q.rr --at #3 -n 1 --json").finish().succeeds();
    assert!(told.stdout.contains(r#""checkpoint":"clock_host","id":3"#), "{told}");
}
