//! Traces that are cut, come through a pipe or cannot be read, and command lines that make no sense.

use blkreplay_fixtures::bytes;
use serde_json::Value;

use crate::stats::{recorded, stats};
use crate::support::Sandbox;

#[test]
fn a_cut_trace_is_counted_as_far_as_it_is_whole() {
    let sandbox = Sandbox::new();
    sandbox.write("cut.blkr", &bytes("native/cut.blkr"));
    let printed = sandbox.blkreplay("print cut.blkr --json").finish().ends_with(3);
    let told = sandbox.blkreplay("stats cut.blkr --json").finish().ends_with(3);
    let value: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(value["requests"], printed.stdout.lines().count());
    let completed = printed.stdout.lines().filter(|line| line.contains("\"result\":")).count();
    assert_eq!(value["completed"], completed);
    assert_eq!((&value["complete"], value["loss"].is_string()), (&false.into(), true));
    let told = told.says(&["warning: cut.blkr: ", "hint: blkreplay recover cut.blkr -o NEW"]);
    assert!(!told.stdout.is_empty());
    let text = sandbox.blkreplay("stats cut.blkr").finish().ends_with(3);
    assert!(text.stdout.starts_with("cut.blkr  NOT WHOLE  "), "{text}");
}

#[test]
fn a_pipe_gives_the_same_numbers_as_the_file() {
    let sandbox = recorded();
    let of_file = stats(&sandbox, &["--by", "t"]);
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let script = format!("cat t.blkr | {program} stats - --json --by t");
    let piped = sandbox.tool("sh").args(["-c", &script]).finish().succeeds();
    let mut piped: Value = serde_json::from_str(&piped.stdout).unwrap();
    assert_eq!(piped["path"], "standard input");
    piped["path"] = "t.blkr".into();
    assert_eq!(piped, of_file);
}

#[test]
fn one_trace_that_cannot_be_read_does_not_hide_the_others() {
    let sandbox = recorded();
    sandbox.write("text.txt", b"no trace at all");
    let told = sandbox.blkreplay("stats missing.blkr t.blkr text.txt --json").finish().ends_with(2);
    let told = told.says(&["missing.blkr", "text.txt"]);
    let value: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(value["path"], "t.blkr");
}

#[test]
fn command_lines_that_make_no_sense_are_refused() {
    let sandbox = recorded();
    for (words, says) in [
        (
            &["--by", "lenght"][..],
            "unknown field `lenght`\n  hint: did you mean `len` (alias `length`)?",
        ),
        (&["--by", "opp"], "hint: did you mean `op`?"),
        (&["--by", "nonsense"], "hint: blkreplay help filter  lists the fields"),
        (&["--by", "payload"], "there is no table by `payload`\n  hint: --by hash"),
        (&["-f", "wriet"], "did you mean `write`?"),
        (&["-f", "dev == three"], "the trace has one, two"),
        (&["-n", "5"], "--by"),
        (&["--qemu-layout", "0c/v7.1"], "t.blkr is a trace"),
    ] {
        let refused =
            sandbox.blkreplay("stats t.blkr").args(words).finish().ends_with(2).says(&[says]);
        assert_eq!(refused.stdout, "", "{refused}");
    }
    sandbox.blkreplay("stats").finish().ends_with(2).says(&["TRACE"]);
}

#[test]
fn a_trace_without_requests_is_told_of() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    sandbox.blkreplay("record disk.img -o t.blkr -- true").finish().succeeds();
    let text = sandbox.blkreplay("stats t.blkr --by len").finish().succeeds();
    assert!(text.stdout.starts_with("t.blkr  0 requests  0 B of data  0ns\n"), "{text}");
    let told = stats(&sandbox, &[]);
    assert_eq!((&told["requests"], &told["operations"]), (&0.into(), &serde_json::json!({})));
    sandbox.copy("t.blkr", "u.blkr");
    sandbox.blkreplay("stats t.blkr u.blkr").finish().succeeds();
}
