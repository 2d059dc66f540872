//! `inspect` of QEMU logs and of raw events, as somebody uses it at a terminal.

use blkreplay_fixtures::{bytes, story};

use crate::support::Sandbox;
use crate::terminal::Terminal;

fn sandbox(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let log = bytes(&format!("qemu/logs/{log}.rr.zst"));
    sandbox.write("vm.rr", &zstd::decode_all(&log[..]).unwrap());
    sandbox
}

/// The line of the screen that is focused, without the mark.
fn focused(screen: &str) -> String {
    let line = screen.lines().find(|line| line.starts_with('>')).unwrap_or_default();
    line.trim_start_matches('>').split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_log_is_gone_through_from_its_checkpoints_to_its_events() {
    let sandbox = sandbox("q100-boot_a");
    let mut terminal = Terminal::run(&sandbox, "inspect vm.rr", 120, 30);
    terminal.wait_for("3,758 events");
    terminal.wait_for("[7 Checkpoints]");
    terminal.keys(":#5\r");
    terminal.wait_until("the checkpoint of #5", |screen| focused(screen).ends_with("#5"));
    let screen = terminal.screen();
    assert!(focused(&screen).contains("clock_warp_account"), "{screen}");
    terminal.keys("\r");
    terminal.wait_for("[1 Requests]");
    terminal.wait_until("its completion", |screen| focused(screen).ends_with("block #5"));
    let event = focused(&terminal.screen());
    let printed = sandbox.blkreplay("print vm.rr").finish().succeeds().stdout;
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(printed.lines().any(|line| words(line) == event), "{event}");
    terminal.keys("fe");
    terminal.wait_for("of requests it has nothing but the numbers");
    terminal.keys("2");
    terminal.wait_for("A QEMU log has no offsets and no lengths");
    terminal.keys("9");
    terminal.wait_for("0 found");
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn a_damaged_log_has_a_banner_and_the_findings_of_check() {
    let sandbox = sandbox("q100-trunc-half");
    let mut terminal = Terminal::run(&sandbox, "inspect vm.rr", 120, 30);
    terminal.wait_for("the log ends inside an event");
    terminal.keys("9");
    terminal.wait_for("1 found, as blkreplay check finds them");
    let checked = sandbox.blkreplay("check vm.rr").finish().stdout;
    assert!(checked.contains("cut at byte 7640"), "{checked}");
    terminal.wait_until("the finding", |screen| focused(screen).starts_with("! cut event 2300"));
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn where_there_is_no_terminal_a_log_is_printed() {
    let sandbox = sandbox("q100-fix-a1");
    for arguments in ["vm.rr", "--qemu-layout 0c/v8.0 vm.rr"] {
        let inspected = sandbox.blkreplay(&format!("inspect {arguments}")).finish();
        let printed = sandbox.blkreplay(&format!("print {arguments}")).finish().succeeds().stdout;
        assert_eq!(inspected.succeeds().stdout, printed);
    }
    sandbox.write("boot.blkr", &story::trace());
    let refused = sandbox.blkreplay("inspect --qemu-layout 0c/v8.0 boot.blkr").finish();
    refused.ends_with(2).says(&["only QEMU logs have layouts"]);
}

#[test]
fn the_events_around_a_request_are_seen_and_left_again() {
    let sandbox = Sandbox::new();
    sandbox.write("boot.blkr", &story::released());
    let mut terminal = Terminal::run(&sandbox, "inspect boot.blkr", 140, 30);
    terminal.wait_for("600 requests");
    terminal.keys("e");
    terminal.wait_until("what failed", |screen| focused(screen).starts_with("121 "));
    terminal.keys("%");
    terminal.wait_until("its issue", |screen| focused(screen).contains("issue #121 write"));
    terminal.keys("%");
    terminal
        .wait_until("its completion", |screen| focused(screen).contains("block #121 write EIO"));
    let event = focused(&terminal.screen());
    let printed = sandbox.printed("boot.blkr --events");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let seen = event.trim_end_matches(" !");
    assert!(printed.lines().any(|line| words(line) == seen), "{event}");
    terminal.keys("1");
    terminal.wait_until("the request", |screen| focused(screen).starts_with("121 "));
    terminal.keys("7");
    terminal.wait_until("its checkpoint", |screen| focused(screen).ends_with("#138 #121"));
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}
