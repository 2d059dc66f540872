//! What a CI server is given: annotations, a summary, and the steps of the action that is in this repository.

use std::fs;

use super::{diff, pair, read_report, repository};
use crate::support::{Finished, Invocation, Sandbox};

/// The most that GitHub takes of one step: 1 MiB.
const SUMMARY_MAX: usize = 1 << 20;

/// `invocation` as a step of GitHub's actions runs it.
fn as_step(invocation: Invocation, sandbox: &Sandbox) -> Invocation {
    invocation
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", sandbox.path("summary.md"))
        .env("GITHUB_OUTPUT", sandbox.path("output"))
        .env("RUNNER_TEMP", sandbox.path("runner"))
}

#[test]
fn in_a_step_of_github_annotations_and_a_summary_are_written_unasked() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    sandbox.write("summary.md", b"# Mine\n");
    let told =
        as_step(sandbox.blkreplay("diff base.blkr new.blkr"), &sandbox).finish().ends_with(1);
    let commands: Vec<&str> =
        told.stdout.lines().filter(|line| line.trim_start().starts_with("::")).collect();
    assert_eq!(commands.len(), 2, "{told}");
    assert!(commands[0].starts_with("::error title=payload changed::~ write 16384+4096"), "{told}");
    assert!(told.stdout.starts_with("base  base.blkr"), "people read the log, too: {told}");
    let summary = String::from_utf8(sandbox.read("summary.md")).unwrap();
    assert!(
        summary.starts_with("# Mine\n### ❌ different: `base.blkr` | `new.blkr`\n"),
        "{summary}"
    );
    let told = as_step(sandbox.blkreplay("diff base.blkr base.blkr"), &sandbox).finish().succeeds();
    assert!(told.stdout.starts_with("same: ") && !told.stdout.contains("::"), "{told}");
}

#[test]
fn a_summary_stays_below_what_github_takes_whatever_is_there_already() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    for there in [999_000, 1_000_000, 1_040_000] {
        sandbox.write("summary.md", &vec![b'x'; there]);
        as_step(sandbox.blkreplay("diff base.blkr new.blkr"), &sandbox).finish().ends_with(1);
        let length = sandbox.read("summary.md").len();
        assert!((there..SUMMARY_MAX).contains(&length), "{length}");
    }
}

#[test]
fn other_formats_are_what_was_asked_for_in_a_step_too() {
    let sandbox = pair("", "");
    let words = "diff base.blkr new.blkr --format json";
    let told = as_step(sandbox.blkreplay(words), &sandbox).finish().succeeds();
    assert!(told.stdout.starts_with('{'), "{told}");
    assert!(!sandbox.path("summary.md").exists());
    let told = diff(&sandbox, "--format github").succeeds();
    assert!(told.stdout.starts_with("same: "), "{told}");
}

/// The shell lines of the step of our action that has some.
fn action_step() -> String {
    let path = repository().join(".github/actions/diff/action.yml");
    let action = fs::read_to_string(path).unwrap();
    let mut lines = action.lines().skip_while(|line| line.trim() != "run: |");
    let indent = |line: &str| line.len() - line.trim_start().len();
    let head = lines.next().expect("the action runs something");
    let block = lines.take_while(|line| line.is_empty() || indent(line) > indent(head));
    // GitHub takes off what the first line is indented by.
    let lines: Vec<&str> =
        block.map(|line| line.strip_prefix("        ").unwrap_or(line)).collect();
    lines.join("\n")
}

/// Runs the action's step as GitHub does.
fn act(sandbox: &Sandbox, base: &str, new: &str, args: &str) -> Finished {
    sandbox.write("step.sh", action_step().as_bytes());
    sandbox.write("output", b"");
    let step = sandbox.tool("bash").args(["--noprofile", "--norc", "-eo", "pipefail", "step.sh"]);
    let step = step.env("BASE", base).env("NEW", new).env("ARGS", args);
    as_step(step.env("PROGRAM", env!("CARGO_BIN_EXE_blkreplay")), sandbox).finish()
}

#[test]
fn the_action_fails_where_something_differs_and_leaves_reports() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    let told = act(&sandbox, "base.blkr", "new.blkr", "").ends_with(1);
    assert!(told.stdout.contains("::error title=payload changed::"), "{told}");
    let outputs = String::from_utf8(sandbox.read("output")).unwrap();
    let reports = format!("{}/blkreplay-diff", sandbox.path("runner").display());
    assert_eq!(outputs, format!("exit-code=1\nreports={reports}\n"));
    assert_eq!(read_report(&sandbox, "json", &format!("{reports}/diff.json")), "different 1\n");
    let cases = read_report(&sandbox, "junit", &format!("{reports}/junit.xml"));
    assert!(cases.starts_with("tests 3 failures 2"), "{cases}");
    read_report(&sandbox, "html", &format!("{reports}/diff.html"));
    assert!(sandbox.read("summary.md").starts_with("### ❌".as_bytes()));
}

#[test]
fn the_action_passes_on_words_and_exit_codes() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    act(&sandbox, "base.blkr", "base.blkr", "").succeeds();
    act(&sandbox, "base.blkr", "new.blkr", "--loose\n").succeeds();
    act(&sandbox, "base.blkr", "new.blkr", "--expect\ndifferent\n\n--align\norder").succeeds();
    act(&sandbox, "base.blkr", "nowhere.blkr", "").ends_with(2);
    let outputs = String::from_utf8(sandbox.read("output")).unwrap();
    assert!(outputs.starts_with("exit-code=2\n"), "{outputs}");
}

#[test]
fn the_action_compares_folders() {
    let sandbox = pair("", "");
    for folder in ["a b", "new"] {
        fs::create_dir(sandbox.path(folder)).unwrap();
        sandbox.write(&format!("{folder}/one.blkr"), &sandbox.read("base.blkr"));
    }
    act(&sandbox, "a b", "new", "").succeeds();
    sandbox.write("new/two.blkr", &sandbox.read("base.blkr"));
    act(&sandbox, "a b", "new", "").ends_with(1);
}
