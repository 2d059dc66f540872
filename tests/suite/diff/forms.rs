//! What stands in the reports: in text for people, and in each other format as its readers take it.

use super::{diff, pair, read_report, report};
use crate::support::Sandbox;

/// `text` with the days of recordings left out.
fn undated(text: &str) -> String {
    let day = |line: &str| match line.split_once("  recorded ") {
        Some((before, _)) => format!("{before}  recorded DAY"),
        None => line.to_owned(),
    };
    text.lines().map(day).collect::<Vec<_>>().join("\n")
}

#[test]
fn two_recordings_of_the_same_work_are_the_same_by_every_rule() {
    let sandbox = pair("", "");
    for align in ["order", "epoch", "conflict", "key", "state"] {
        let told = diff(&sandbox, &format!("--align {align}")).succeeds();
        assert!(told.stdout.starts_with("same: 8 requests"), "{told}");
        assert!(told.stdout.contains(&format!("(align {align}")), "{told}");
        assert_eq!(told.stdout.lines().count(), 1, "{told}");
        assert_eq!(told.stderr, "");
    }
}

#[test]
fn a_byte_that_changed_is_told_with_what_lies_around_it() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    let told = diff(&sandbox, "").ends_with(1);
    let expected = "\
base  base.blkr  8 requests  3 epochs  recorded DAY
new   new.blkr   8 requests  3 epochs  recorded DAY
rule  align epoch; compare op off len flags payload result; ignore time id conn

  epoch 0  3 same
~ epoch 1  1 changed, 2 same
    ~ write 16384+4096  #3 | #3  payload eb1a125e… → 02dccd0f…
         bytes 0x0..0x1000 (4,096 of 4,096)  03 03 03 03 … → 09 09 09 09 …
         around it in base                  in new
           #0 write 0+4096                    #0 write 0+4096
           #1 write 8192+4096                 #1 write 8192+4096
           #2 flush                           #2 flush
         ~ #3 write 16384+4096              ~ #3 write 16384+4096
           #4 write 1048576+65536 fua         #4 write 1048576+65536 fua
           #5 flush                           #5 flush
           #6 read 16384+4096                 #6 read 16384+4096
~ epoch 2  1 changed, 1 same
    ~ read 16384+4096  #6 | #6  payload eb1a125e… → 02dccd0f…
         bytes 0x0..0x1000 (4,096 of 4,096)  03 03 03 03 … → 09 09 09 09 …

different: 2 changed, 0 added, 0 removed, 0 moved
  hint: look at it: blkreplay print new.blkr --at '#3'
  hint: accept it: blkreplay bless base.blkr new.blkr";
    assert_eq!(undated(&told.stdout), expected, "{told}");
    assert!(told.stdout.lines().all(|line| line.chars().count() <= 80), "{told}");
    assert_eq!(told.stderr, "");
}

#[test]
fn one_epoch_is_shown_alone_and_all_are_counted() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    let told = diff(&sandbox, "--epoch 2").ends_with(1);
    assert!(!told.stdout.contains("epoch 1"), "{told}");
    assert!(told.stdout.contains("look at it: blkreplay print new.blkr --at '#6'\n"), "{told}");
    let told = diff(&sandbox, "--epoch 2 --first").ends_with(1);
    assert!(
        told.stdout.contains("~ read 16384+4096") && !told.stdout.contains("warning"),
        "{told}"
    );
    let value = report(&sandbox, "", 1);
    assert_eq!(value["summary"]["changed"], 2);
    let first = &value["first_difference"];
    assert_eq!((&first["base"]["id"], &first["fields"][0]), (&3.into(), &"payload".into()));
    assert_eq!(first["bytes"], serde_json::json!([[0, 4096]]));
    assert_eq!(first["base_before"].as_array().unwrap().len(), 3);
}

#[test]
fn a_read_that_changed_names_the_request_that_wrote_there() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    // With the data of writes masked, the read is the first that differs.
    let words = "--mask 16k..20k@write";
    let first = &report(&sandbox, words, 1)["first_difference"];
    assert_eq!((&first["base"]["id"], &first["base"]["op"]), (&6.into(), &"read".into()));
    for side in ["base_last_writer", "new_last_writer"] {
        assert_eq!(first[side], 3, "{side}");
    }
    let told = diff(&sandbox, words).ends_with(1);
    assert!(told.stdout.contains("last written by #3"), "{told}");
}

#[test]
fn less_is_said_on_demand() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    assert_eq!(diff(&sandbox, "-q").ends_with(1).stdout, "");
    let told = diff(&sandbox, "--stat").ends_with(1);
    assert!(told.stdout.contains("~ epoch 1  1 changed, 2 same\n~ epoch 2  1 changed"), "{told}");
    let told = diff(&sandbox, "--first -U 0").ends_with(1);
    assert!(told.stdout.contains("different: stopped at the first difference"), "{told}");
    assert!(!told.stdout.contains("around it"), "{told}");
    let told = diff(&sandbox, "-n 1").ends_with(1);
    assert!(
        told.stdout.contains("… 1 more epoch with differences: 1 changed (-n 0 for all)"),
        "{told}"
    );
    let told = diff(&sandbox, "--epoch 9").ends_with(1);
    assert!(told.stdout.contains("warning: there is no epoch 9 on either side"), "{told}");
    let told = diff(&sandbox, "--at 0").ends_with(1);
    assert!(told.stdout.contains("warning: no difference is about request #0"), "{told}");
    let told = diff(&sandbox, "--at 6").ends_with(1);
    assert!(told.stdout.contains("read 16384+4096") && !told.stdout.contains("~ write"), "{told}");
}

#[test]
fn what_is_hoped_for_decides_the_exit_code_and_never_the_verdict() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    let value = report(&sandbox, "--expect different", 0);
    assert_eq!((&value["verdict"], &value["exit_code"]), (&"different".into(), &0.into()));
    let sandbox = pair("", "");
    let value = report(&sandbox, "--expect different", 1);
    assert_eq!((&value["verdict"], &value["exit_code"]), (&"same".into(), &1.into()));
}

#[test]
fn several_reports_are_written_at_once_each_to_its_place() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    sandbox.write("d.json", b"of yesterday");
    let told = diff(
        &sandbox,
        "--format json=d.json --format jsonl=d.jsonl --format junit=d.xml --format html=d.html \
         --format markdown=d.md --summary s.md",
    );
    let told = told.ends_with(1);
    assert!(told.stdout.starts_with("base  base.blkr"), "{told}");
    assert_eq!(read_report(&sandbox, "json", "d.json"), "different 1\n");
    let cases = read_report(&sandbox, "junit", "d.xml");
    let head = "tests 3 failures 2 errors 0\npassed: epoch 0\nfailure: epoch 1\n~ write 16384+4096";
    assert!(cases.starts_with(head), "{cases}");
    assert!(
        cases.contains("\nreproduce: blkreplay diff base.blkr new.blkr --epoch 1\n"),
        "{cases}"
    );
    let page = read_report(&sandbox, "html", "d.html");
    assert!(page.contains("different: 2 changed") && page.contains("~ write 16384+4096"), "{page}");
    assert_eq!(sandbox.read("d.md"), sandbox.read("s.md"));
    assert_eq!(read_report(&sandbox, "json", "d.jsonl"), "different 1\n");
    let lines = String::from_utf8(sandbox.read("d.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3);
    let left = std::fs::read_dir(sandbox.path("")).unwrap();
    let hidden = left.filter(|one| one.as_ref().unwrap().file_name().as_encoded_bytes()[0] == b'.');
    assert_eq!(hidden.count(), 0, "nothing is left beside them");
}

#[test]
fn a_test_case_fails_where_what_differs_is_not_shown() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    for words in ["--epoch 0", "--epoch 9", "--at 0"] {
        let words = format!("{words} --format junit=d.xml");
        diff(&sandbox, &words).ends_with(1);
        let cases = read_report(&sandbox, "junit", "d.xml");
        assert!(cases.contains("failures 1 errors 0\n"), "{cases}");
        assert!(cases.contains("failure: not shown\n"), "{cases}");
        diff(&sandbox, &format!("{words} --expect different")).ends_with(0);
        let cases = read_report(&sandbox, "junit", "d.xml");
        assert!(cases.contains("failures 0 errors 0\n"), "{cases}");
    }
}

#[test]
fn the_command_that_shows_it_again_compares_in_the_same_way() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    let options = "--align conflict --ignore flags --filter 'off == 16k'";
    let blkreplay = env!("CARGO_BIN_EXE_blkreplay");
    let files = "--format junit=d.xml --format markdown=d.md --format html=d.html";
    let line = format!("'{blkreplay}' diff base.blkr new.blkr {options} -f 'len > 0' {files}");
    sandbox.script("again.sh", &line);
    sandbox.tool("sh").args(["again.sh"]).finish().ends_with(1);
    let command = format!("blkreplay diff base.blkr new.blkr {options} --filter 'len > 0'");
    let cases = read_report(&sandbox, "junit", "d.xml");
    assert!(cases.contains(&format!("\nreproduce: {command}")), "{cases}");
    let page = read_report(&sandbox, "html", "d.html");
    assert!(page.contains(&command), "{page}");
    let summary = String::from_utf8(sandbox.read("d.md")).unwrap();
    assert!(summary.contains(&format!("\n{command}\n")), "{summary}");
}

#[test]
fn one_report_can_take_the_place_of_standard_output() {
    let sandbox = pair("", "");
    assert_eq!(diff(&sandbox, "-o out.txt").succeeds().stdout, "");
    assert!(sandbox.read("out.txt").starts_with(b"same: 8 requests"));
    assert_eq!(diff(&sandbox, "--format json -o out.json").succeeds().stdout, "");
    assert_eq!(read_report(&sandbox, "json", "out.json"), "same 0\n");
}

#[test]
fn reports_that_could_not_be_written_are_trouble_before_anything_is_compared() {
    let sandbox = pair("", "");
    for (words, why) in [
        ("--format json --format text", "go to one place"),
        ("--format json=out --format html=out", "go to one place"),
        ("-o nowhere/out", "its folder is not there"),
        ("-o tmp", "it is a folder"),
        ("-o base.blkr", "one of the traces that are compared"),
        ("--format xml", "write text, json, jsonl"),
        ("-o /dev/full", "No space left"),
    ] {
        let told = diff(&sandbox, words).ends_with(2).says(&[why]);
        assert_eq!(told.stdout, "", "{told}");
    }
    diff(&sandbox, "--format html=/dev/full --format junit=d.xml").ends_with(2);
    let cases = read_report(&sandbox, "junit", "d.xml");
    assert!(cases.starts_with("tests 1 failures 0"), "the others are written: {cases}");
    sandbox.write("other.blkr", &sandbox.read("base.blkr"));
    diff(&sandbox, "-o other.blkr").ends_with(2).says(&["a recording is there already"]);
}

#[test]
fn standard_input_may_be_one_side() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    let blkreplay = env!("CARGO_BIN_EXE_blkreplay");
    for (words, code) in [("base.blkr -", 1), ("- new.blkr", 0)] {
        let script = sandbox.script("pipe.sh", &format!("'{blkreplay}' diff {words} <new.blkr"));
        let mut words = script.split(' ');
        let told = sandbox.tool(words.next().unwrap()).args(words).finish().ends_with(code);
        assert_eq!(told.stderr, "", "{told}");
    }
}

#[test]
fn colours_add_nothing_that_words_lack() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    let plain = diff(&sandbox, "--color never").ends_with(1).stdout;
    let colored = diff(&sandbox, "--color always").ends_with(1).stdout;
    assert!(!plain.contains('\u{1b}') && colored.contains("\u{1b}[33m~"), "{colored}");
    assert_eq!(stripped(&colored), plain);
    let json = diff(&sandbox, "--color always --format json").ends_with(1).stdout;
    assert!(!json.contains('\u{1b}'));
}

/// `text` without the sequences that colour it.
fn stripped(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |all, piece| all + piece.split_once('m').unwrap().1)
}

#[test]
fn devices_are_named_where_there_are_several() {
    let sandbox = Sandbox::holding("native/two-devices.blkr");
    let told = sandbox.blkreplay("diff t.blkr t.blkr").finish().succeeds();
    assert!(told.stdout.starts_with("same: "), "{told}");
    sandbox.blkreplay("slice t.blkr -f id>0 -o less.blkr").finish().succeeds();
    let told = sandbox.blkreplay("diff t.blkr less.blkr --stat").finish().ends_with(1);
    assert!(told.stdout.contains("\n- disk epoch 0 "), "{told}");
    assert!(told.stdout.contains("\n  journal epoch"), "{told}");
}
