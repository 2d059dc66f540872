//! What cannot be compared: it is trouble in words, in the exit code and in every report, and never a difference.

use blkreplay_fixtures::bytes;
use blkreplay_fixtures::later::REFUSALS;

use super::{diff, pair, read_report, report};
use crate::support::Sandbox;

/// Asserts that comparing `base.blkr` and `new.blkr` is trouble of this name, in all formats.
#[track_caller]
fn assert_trouble(sandbox: &Sandbox, code: &str, says: &[&str]) {
    let told = diff(sandbox, "").ends_with(2).says(says);
    assert_eq!(told.stdout, "", "{told}");
    let value = report(sandbox, "", 2);
    assert_eq!((&value["verdict"], &value["error"]["code"]), (&"trouble".into(), &code.into()));
    assert_eq!(value["summary"]["changed"], 0);
    // A hope for differences does not make trouble into one.
    assert_eq!(report(sandbox, "--expect different", 2)["error"]["code"], code);
    let files =
        "--format junit=d.xml --format html=d.html --format markdown=d.md --format jsonl=d.jsonl";
    diff(sandbox, files).ends_with(2);
    let cases = read_report(sandbox, "junit", "d.xml");
    assert!(cases.starts_with("tests 1 failures 0 errors 1\nerror: compare\n"), "{cases}");
    assert!(read_report(sandbox, "html", "d.html").contains("trouble"));
    assert!(sandbox.read("d.md").starts_with("### ⚠️ trouble".as_bytes()));
    assert_eq!(read_report(sandbox, "json", "d.jsonl"), "trouble 2\n");
    let github = diff(sandbox, "--format github").ends_with(2);
    assert!(github.stdout.starts_with(&format!("::error title=trouble%3A {code}::")), "{github}");
}

fn holding(base: &[u8], new: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("base.blkr", base);
    sandbox.write("new.blkr", new);
    sandbox
}

#[test]
fn what_is_no_whole_trace_is_trouble_on_either_side() {
    let whole = bytes("native/operations.blkr");
    let troubles: [(Vec<u8>, &str, &str); 5] = [
        (bytes("native/cut.blkr"), "truncated", "is not whole"),
        (Vec::new(), "empty", "empty"),
        (whole[..20].to_vec(), "truncated", "header"),
        (b"hello\n".to_vec(), "not-a-trace", "text"),
        ((REFUSALS[0].make)(), "version", "format version 2.7"),
    ];
    for (bad, code, says) in &troubles {
        assert_trouble(&holding(&whole, bad), code, &[says, "new.blkr"]);
        assert_trouble(&holding(bad, &whole), code, &[says, "base.blkr"]);
    }
}

#[test]
fn what_is_not_there_or_no_file_is_trouble() {
    let whole = bytes("native/operations.blkr");
    let sandbox = holding(&whole, &whole);
    sandbox.remove("new.blkr");
    assert_trouble(&sandbox, "missing", &["cannot open new.blkr", "No such file"]);
    std::fs::create_dir(sandbox.path("new.blkr")).unwrap();
    assert_trouble(&sandbox, "not-a-file", &["new.blkr is a directory, not a trace"]);
}

#[test]
fn data_that_were_not_recorded_are_never_taken_for_equal() {
    let sandbox = pair("", "");
    let client = "sh client.sh";
    let record = format!("record disk.img -o new.blkr --force --payload none -- {client}");
    sandbox.blkreplay(&record).finish().succeeds();
    assert_trouble(
        &sandbox,
        "no-payloads",
        &["new.blkr says nothing of what was read", "--ignore payload"],
    );
    diff(&sandbox, "--loose").succeeds();
    sandbox.write("base.blkr", &sandbox.read("new.blkr"));
    assert_trouble(&sandbox, "no-payloads", &["base.blkr says nothing"]);
}

#[test]
fn events_that_the_recorder_dropped_are_never_taken_for_the_same() {
    let dropped = bytes("native/later.blkr");
    let sandbox = holding(&dropped, &dropped);
    assert_trouble(
        &sandbox,
        "events-dropped",
        &["1,001 events are missing in base.blkr", "--allow-truncated"],
    );
    let told = diff(&sandbox, "--allow-truncated").succeeds();
    assert!(told.stdout.contains("warning: 1,001 events are missing in new.blkr"), "{told}");
}

#[test]
fn a_log_of_qemu_is_no_match_for_a_trace() {
    let log = zstd::decode_all(&bytes("qemu/logs/q100-fix-a1.rr.zst")[..]).unwrap();
    let sandbox = holding(&bytes("native/operations.blkr"), &log);
    assert_trouble(&sandbox, "kinds", &["new.blkr is a QEMU log, and base.blkr is not"]);
}

#[test]
fn standard_input_cannot_be_both_sides() {
    let told = Sandbox::new().blkreplay("diff - -").finish().ends_with(2);
    told.says(&["`-` is given twice"]);
    let words = "diff --budget count(flush)<=5 --runs a.blkr - -- b.blkr -";
    Sandbox::new().blkreplay(words).finish().ends_with(2).says(&["`-` is given twice"]);
}

#[test]
fn runs_that_nobody_would_look_at_are_trouble() {
    let sandbox = pair("", "");
    let words = "diff --runs base.blkr nowhere.blkr -- new.blkr";
    sandbox.blkreplay(words).finish().ends_with(2).says(&["--runs is for budgets"]);
    let words = words.replace("--runs", "--budget count(flush)<=5 --runs");
    sandbox.blkreplay(&words).finish().ends_with(2).says(&["nowhere.blkr"]);
}

#[test]
fn what_is_typed_wrong_is_trouble() {
    let sandbox = pair("", "");
    for (words, says) in [
        ("third.blkr", "two traces are compared, and 3 were given"),
        ("--align nearly", "there are order  epoch  conflict  key  state"),
        ("--strict --loose", "cannot be used with"),
        ("--window 0", "write a number from 1"),
        ("--at x", "write the id of a request"),
        ("--barrier fua", "there are flush  flush,fua  none"),
        ("--runs", "--runs takes runs of both sides"),
        ("--epoch 1 --at 1", "cannot be used with"),
        ("--learn -o rules.toml", "cannot be used with"),
        ("--learn --stat", "cannot be used with"),
        ("--learn --at 1", "cannot be used with"),
        ("--learn --budget count(flush)<=1", "cannot be used with"),
    ] {
        diff(&sandbox, words).ends_with(2).says(&[says]);
    }
}

#[test]
fn what_is_typed_wrong_is_told_in_every_report() {
    let sandbox = pair("", "");
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    for (words, code, says) in [
        ("base.blkr", "usage", "two traces are compared, and 1 was given"),
        ("a b c", "usage", "and 3 were given"),
        ("--suite empty", "usage", "two folders are compared, and 1 was given"),
        ("--runs base.blkr", "usage", "--runs takes runs of both sides"),
        ("--suite empty nowhere", "missing", "cannot read the folder nowhere"),
        ("--suite base.blkr empty", "not-a-folder", "cannot read the folder base.blkr"),
        ("--suite empty empty", "empty", "holds a file"),
        ("base.blkr new.blkr --budget count(flush)", "budget", "--budget: "),
        ("base.blkr new.blkr --mask 16k", "rule", "--mask 16k"),
    ] {
        let words = format!("diff {words} --format json=d.json --format junit=d.xml");
        let told = sandbox.blkreplay(&words).finish().ends_with(2).says(&[says]);
        assert_eq!(told.stdout, "", "{told}");
        assert_eq!(read_report(&sandbox, "json", "d.json"), "trouble 2\n");
        let told: serde_json::Value = serde_json::from_slice(&sandbox.read("d.json")).unwrap();
        assert_eq!(told["error"]["code"], code, "{words}");
        let cases = read_report(&sandbox, "junit", "d.xml");
        assert!(cases.starts_with("tests 1 failures 0 errors 1\n"), "{cases}");
    }
}

#[test]
fn a_pipe_is_offered_as_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.tool("mkfifo").args(["pipe"]).finish().succeeds();
    let told = sandbox.blkreplay("diff pipe pipe").finish().ends_with(2);
    told.says(&["pipe is a device, pipe or socket", "standard input, which is `-`"]);
    let told = sandbox.blkreplay("diff . .").finish().ends_with(2);
    assert!(!told.stderr.contains("standard input"), "{told}");
}

#[test]
fn another_alignment_is_offered_only_where_it_could_help() {
    let whole = bytes("native/operations.blkr");
    let cut = (100..whole.len()).find_map(|length| {
        let sandbox = holding(&whole, &whole[..length]);
        let told = diff(&sandbox, "--allow-truncated --align order").ends_with_one_of(&[0, 1, 2]);
        told.stderr.contains("no request is whole on both sides").then_some((sandbox, told))
    });
    let (sandbox, told) = cut.expect("one of them ends before its first request");
    assert!(!told.stderr.contains("--align order"), "{told}");
    diff(&sandbox, "--allow-truncated").ends_with(2).says(&["no epoch is whole", "--align order"]);
}

#[test]
fn a_cut_trace_is_compared_as_far_as_it_goes_if_that_is_allowed() {
    let sandbox = pair("", "");
    let whole = sandbox.read("new.blkr");
    // The index goes, and with it the word that the recording ended.
    let mut cuts = 0;
    for length in (whole.len() / 2..whole.len()).step_by(7) {
        sandbox.write("new.blkr", &whole[..length]);
        let told = diff(&sandbox, "").ends_with_one_of(&[0, 2]);
        if told.stderr.is_empty() {
            continue;
        }
        told.says(&["new.blkr", "--allow-truncated"]);
        let told = diff(&sandbox, "--allow-truncated").ends_with_one_of(&[0, 2]);
        if told.stderr.is_empty() {
            assert!(told.stdout.contains("warning: new.blkr is not whole"), "{told}");
            assert!(told.stdout.contains("same: "), "{told}");
            cuts += 1;
        }
    }
    assert!(cuts > 0, "some of them could be compared");
}
