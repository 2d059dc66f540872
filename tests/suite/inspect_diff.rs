//! `inspect --diff`, as somebody uses it at a terminal, held against `diff` of the same traces.

use blkreplay_fixtures::{bytes, story};
use serde_json::Value;

use crate::support::Sandbox;
use crate::terminal::Terminal;

const INSPECT: &str = "inspect --diff base.blkr new.blkr";

/// What stands on the screen instead of all that was there.
const TAKEN: &str = "\x1b[?1049h";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let [base, new] = story::retold();
    sandbox.write("base.blkr", &base);
    sandbox.write("new.blkr", &new);
    sandbox
}

/// What `diff` counts, as the first line of the view has it.
fn counted(sandbox: &Sandbox, words: &str) -> String {
    let command = format!("diff base.blkr new.blkr --format json {words}");
    let told = sandbox.blkreplay(&command).finish().ends_with_one_of(&[0, 1]);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    let count = |name: &str| told["summary"][name].as_u64().unwrap();
    let kinds = ["changed", "added", "removed", "moved"];
    let all: u64 = kinds.iter().map(|kind| count(kind)).sum();
    let kinds = kinds.map(|kind| format!("{} {kind}", count(kind))).join(", ");
    let plural = if all == 1 { "" } else { "s" };
    format!(" {all} difference{plural}: {kinds}  {} same", count("same"))
}

#[test]
fn a_person_goes_through_what_differs_ignores_one_and_takes_the_rest_for_the_base() {
    let sandbox = sandbox();
    let mut terminal = Terminal::run(&sandbox, INSPECT, 100, 30);
    let counts = counted(&sandbox, "");
    assert!(counts.contains("5 differences"), "{counts}");
    terminal.wait_for(&counts);
    terminal.keys("n\r");
    terminal.wait_for("preset ext4-times masks all of it");
    terminal.wait_for("#12 | #12  changed  write 0+4096");
    terminal.keys("i");
    terminal.wait_for("added to blkreplay.toml");
    assert!(!sandbox.path("blkreplay.toml").exists(), "nobody said so yet");
    terminal.keys("times of the superblock\r");
    terminal.wait_for("compared anew");
    let config = String::from_utf8(sandbox.read("blkreplay.toml")).unwrap();
    assert!(config.contains("times of the superblock"), "{config}");
    let counts = counted(&sandbox, "");
    assert!(counts.contains("4 differences"), "{counts}");
    terminal.wait_for(&counts);
    terminal.keys("n1");
    terminal.wait_until("the request in the list", |screen| {
        let line = screen.lines().find(|line| line.starts_with('>'));
        line.is_some_and(|line| line.split_whitespace().nth(1) == Some("36"))
    });
    let base = sandbox.read("base.blkr");
    terminal.keys("8bn");
    terminal.wait_for("nothing was changed");
    assert_eq!(sandbox.read("base.blkr"), base);
    terminal.keys("b");
    terminal.wait_for("replace base.blkr by new.blkr? y/n");
    terminal.keys("y");
    terminal.wait_for("both are the same");
    assert_eq!(sandbox.read("base.blkr"), sandbox.read("new.blkr"));
    terminal.keys("qq");
    assert_eq!(terminal.finish(), 0);
    sandbox.blkreplay("diff base.blkr new.blkr").finish().succeeds();
}

#[test]
fn counts_are_those_of_diff_however_requests_are_paired_and_with_rules_of_the_file() {
    let sandbox = sandbox();
    for align in ["order", "epoch", "conflict", "key", "state"] {
        let words = format!("--align {align}");
        let mut terminal = Terminal::run(&sandbox, &format!("{INSPECT} {words}"), 120, 30);
        terminal.wait_for(&counted(&sandbox, &words));
        terminal.keys("Q");
        assert_eq!(terminal.finish(), 0);
    }
    let rules = "[diff]\nalign = \"key\"\n[[diff.ignore-rule]]\nname = \"new\"\nwhere = \"off == 8M\"\n\
                 reason = \"it is\"\n[[diff.budget]]\nname = \"writes\"\nmetric = \"count(write)\"\nmax = 1\n";
    sandbox.write("blkreplay.toml", rules.as_bytes());
    let mut terminal = Terminal::run(&sandbox, INSPECT, 120, 30);
    let counts = counted(&sandbox, "");
    assert!(counts.contains("0 added"), "{counts}");
    terminal.wait_for(&counts);
    terminal.wait_for("budgets are not judged here");
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn a_base_that_is_text_is_compared_as_diff_compares_it() {
    let sandbox = sandbox();
    let text = sandbox.printed("base.blkr --format canonical");
    sandbox.write("base.blkr", text.as_bytes());
    let mut terminal = Terminal::run(&sandbox, INSPECT, 100, 30);
    terminal.wait_for(&counted(&sandbox, ""));
    terminal.keys("nd");
    terminal.wait_for("not both sides have them recorded");
    terminal.keys("qq");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn what_cannot_be_compared_is_trouble_in_the_words_of_diff_before_the_screen_is_taken() {
    let sandbox = sandbox();
    let log = bytes("qemu/logs/q100-boot_a.rr.zst");
    sandbox.write("vm.rr", &zstd::decode_all(&log[..]).unwrap());
    sandbox.write("cut.blkr", &bytes("native/cut.blkr"));
    sandbox.write("wrong.toml", b"[diff]\nalgin = \"key\"\n");
    for (words, said) in [
        ("base.blkr cut.blkr", "is not whole"),
        ("cut.blkr new.blkr", "is not whole"),
        ("gone.blkr new.blkr", "gone.blkr"),
        ("vm.rr new.blkr", "is a QEMU log, and new.blkr is not"),
        ("base.blkr new.blkr --config wrong.toml", "algin"),
    ] {
        let told = sandbox.blkreplay(&format!("diff {words}")).finish().ends_with(2);
        assert!(told.stderr.contains(said), "{told}");
        let mut terminal = Terminal::run(&sandbox, &format!("inspect --diff {words}"), 300, 30);
        terminal.wait_for(told.stderr.lines().next().unwrap());
        assert!(!terminal.raw().contains(TAKEN), "{}", terminal.raw());
        assert_eq!(terminal.finish(), 2, "{words}");
    }
    for (words, said) in [
        ("- new.blkr", "standard input"),
        ("base.blkr -", "compares files, and standard input is none"),
        ("vm.rr vm.rr", "the inspector compares no logs of QEMU"),
    ] {
        let mut terminal = Terminal::run(&sandbox, &format!("inspect --diff {words}"), 120, 30);
        terminal.wait_for(said);
        assert!(!terminal.raw().contains(TAKEN), "{}", terminal.raw());
        assert_eq!(terminal.finish(), 2, "{words}");
    }
    let mut terminal =
        Terminal::run(&sandbox, "inspect --diff cut.blkr cut.blkr --allow-truncated", 120, 30);
    terminal.wait_for("both are the same");
    terminal.wait_for("is not whole");
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn where_there_is_no_terminal_it_is_diff() {
    let sandbox = sandbox();
    for words in [
        "base.blkr new.blkr",
        "base.blkr base.blkr",
        "base.blkr new.blkr --align state",
        "base.blkr new.blkr -f flush",
    ] {
        let told = sandbox.blkreplay(&format!("diff {words}")).finish();
        let inspected = sandbox.blkreplay(&format!("inspect --diff {words}")).finish();
        assert_eq!((inspected.code(), &inspected.stdout), (told.code(), &told.stdout), "{words}");
    }
    sandbox.blkreplay("inspect new.blkr --align state").finish().ends_with(2).says(&["--diff"]);
    let refused = sandbox.blkreplay("inspect --diff base.blkr new.blkr --at 3").finish();
    refused.ends_with(2).says(&["--at is not for a comparison of all", "diff --at"]);
}

#[test]
fn where_nothing_may_be_written_the_base_stays_and_that_is_said() {
    let sandbox = sandbox();
    let base = sandbox.read("base.blkr");
    let mut terminal = Terminal::with(&sandbox, INSPECT, 100, 30, &[("CI", "1")]);
    terminal.wait_for(&counted(&sandbox, ""));
    terminal.keys("by");
    terminal.wait_for("CI is set, and there no baseline is written");
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
    assert_eq!(sandbox.read("base.blkr"), base);
}
