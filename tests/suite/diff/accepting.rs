//! Accepting: `bless`, `test` with the suites of `blkreplay.toml`, and `review` at a terminal.

use super::{WORK, pair, record};
use crate::support::{Finished, Sandbox};

/// Two baselines, of which `b` is not as it is recorded now, and the file that says so.
fn suite() -> Sandbox {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    for folder in ["base", "now"] {
        std::fs::create_dir(sandbox.path(folder)).unwrap();
    }
    let (base, new) = (sandbox.read("base.blkr"), sandbox.read("new.blkr"));
    for (name, bytes) in [
        ("base/a.blkr", &base),
        ("base/b.blkr", &base),
        ("now/a.blkr", &base),
        ("now/b.blkr", &new),
    ] {
        sandbox.write(name, bytes);
    }
    sandbox.write("blkreplay.toml", b"[suite.\"base/*.blkr\"]\nnew = \"now/{name}.blkr\"\n");
    sandbox
}

fn run(sandbox: &Sandbox, words: &str) -> Finished {
    sandbox.blkreplay(words).finish()
}

fn is_there(sandbox: &Sandbox, name: &str) -> bool {
    sandbox.path(name).exists()
}

/// `review` at a terminal of its own, at which `keys` are typed.
fn review(sandbox: &Sandbox, keys: &str, code: i32) -> String {
    let program = "import os,pty,sys\n\
                   keys=sys.argv[1].encode()\n\
                   pid,terminal=pty.fork()\n\
                   if pid==0: os.execv(sys.argv[2],['blkreplay','review'])\n\
                   os.write(terminal,keys)\n\
                   said=b''\n\
                   while True:\n\
                   \x20try: more=os.read(terminal,4096)\n\
                   \x20except OSError: break\n\
                   \x20if not more: break\n\
                   \x20said+=more\n\
                   sys.stdout.buffer.write(said)\n\
                   sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid,0)[1]))\n";
    let told = sandbox
        .tool("python3")
        .args(["-c", program, keys, env!("CARGO_BIN_EXE_blkreplay")])
        .finish()
        .ends_with(code);
    told.stdout
}

#[test]
fn a_suite_leaves_what_differs_beside_its_baseline_and_takes_it_away_when_it_is_the_same_again() {
    let sandbox = suite();
    run(&sandbox, "test").ends_with(1).says(&["blkreplay review  looks at 1 file"]);
    assert_eq!(sandbox.read("base/b.blkr.new"), sandbox.read("new.blkr"));
    assert!(!is_there(&sandbox, "base/a.blkr.new"));
    run(&sandbox, "bless base/b.blkr").succeeds();
    assert!(!is_there(&sandbox, "base/b.blkr.new"));
    assert_eq!(sandbox.read("base/b.blkr"), sandbox.read("new.blkr"));
    sandbox.write("base/a.blkr.new", b"old");
    run(&sandbox, "test").ends_with(0);
    assert!(!is_there(&sandbox, "base/a.blkr.new"), "what waited is the same now");
}

#[test]
fn what_cannot_be_left_is_trouble_and_does_not_keep_a_report_from_being_written() {
    let sandbox = suite();
    for (name, bytes) in [("base/c.blkr", "base.blkr"), ("now/c.blkr", "new.blkr")] {
        sandbox.write(name, &sandbox.read(bytes));
    }
    // A folder with something in it is not replaced.
    std::fs::create_dir_all(sandbox.path("base/b.blkr.new/in")).unwrap();
    run(&sandbox, "test --format json=report.json")
        .ends_with(2)
        .says(&["cannot write base/b.blkr.new", "looks at 1 file"]);
    assert_eq!(sandbox.read("base/c.blkr.new"), sandbox.read("new.blkr"));
    let report = String::from_utf8(sandbox.read("report.json")).unwrap();
    assert!(report.contains("now/b.blkr") && report.contains("now/c.blkr"), "{report}");
}

#[test]
fn in_ci_nothing_is_written() {
    let sandbox = suite();
    sandbox.blkreplay("test").env("CI", "true").finish().ends_with(1);
    assert!(!is_there(&sandbox, "base/b.blkr.new"));
    let bless = || sandbox.blkreplay("bless base/b.blkr new.blkr").env("CI", "1");
    bless().finish().ends_with(2).says(&["CI is set", "BLKREPLAY_BLESS=1"]);
    assert_eq!(sandbox.read("base/b.blkr"), sandbox.read("base.blkr"));
    sandbox.blkreplay("review").env("CI", "1").finish().ends_with(2).says(&["CI is set"]);
    bless().env("BLKREPLAY_BLESS", "1").finish().ends_with(0);
    assert_eq!(sandbox.read("base/b.blkr"), sandbox.read("new.blkr"));
    sandbox.blkreplay("bless base/b.blkr base.blkr").env("CI", "false").finish().ends_with(0);
}

#[test]
fn a_baseline_that_was_not_made_anew_differs_and_a_trace_without_a_baseline_is_trouble() {
    let sandbox = suite();
    sandbox.remove("now/b.blkr");
    run(&sandbox, "test").ends_with(1);
    sandbox.write("now/c.blkr", &sandbox.read("base.blkr"));
    let told = sandbox.blkreplay("test --format json").env("CI", "1").finish().ends_with(2);
    assert!(told.stdout.contains("missing-baseline"), "{told}");
    assert!(!is_there(&sandbox, "base/c.blkr.new"));
    run(&sandbox, "test").ends_with(2).says(&["now/c.blkr has no baseline", "blkreplay bless"]);
    assert!(is_there(&sandbox, "base/c.blkr.new"));
    run(&sandbox, "bless base/c.blkr").succeeds();
    run(&sandbox, "test").ends_with(1);
    sandbox.write("blkreplay.toml", b"[suite.\"none/*.blkr\"]\nnew = \"no/{name}.blkr\"\n");
    run(&sandbox, "test").ends_with(2).says(&["no file is as none/*.blkr"]);
    sandbox.write("blkreplay.toml", b"[diff]\n");
    run(&sandbox, "test").ends_with(2).says(&["has no suite"]);
}

#[test]
fn a_baseline_that_is_text_stays_text() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    run(&sandbox, "bless boot.blkr.txt base.blkr").succeeds();
    let text = sandbox.printed("base.blkr --format canonical");
    assert_eq!(sandbox.read("boot.blkr.txt"), text.as_bytes());
    run(&sandbox, "diff boot.blkr.txt new.blkr").ends_with(1);
    run(&sandbox, "bless boot.blkr.txt new.blkr").succeeds();
    run(&sandbox, "diff boot.blkr.txt new.blkr").ends_with(0);
    run(&sandbox, "bless base.blkr boot.blkr.txt")
        .ends_with(2)
        .says(&["is a trace, and", "is text"]);
    run(&sandbox, "bless base.blkr none.blkr").ends_with(2).says(&["none.blkr"]);
    let whole = sandbox.read("new.blkr");
    sandbox.write("cut.blkr", &whole[..whole.len() - 100]);
    run(&sandbox, "bless base.blkr cut.blkr").ends_with(2).says(&["cut.blkr is not whole"]);
    run(&sandbox, "bless base.blkr").ends_with(2).says(&["base.blkr.new"]);
    sandbox.write("lost.blkr", &blkreplay_fixtures::bytes("native/later.blkr"));
    run(&sandbox, "bless base.blkr lost.blkr").ends_with(2).says(&["are missing in lost.blkr"]);
    run(&sandbox, "bless none.blkr boot.blkr.txt")
        .ends_with(2)
        .says(&["boot.blkr.txt is text, and by its name none.blkr would be a trace"]);
    let bless = format!("{} bless other.txt - <boot.blkr.txt", env!("CARGO_BIN_EXE_blkreplay"));
    sandbox.tool("sh").args(["-c", &bless]).finish().succeeds();
    assert_eq!(sandbox.read("other.txt"), sandbox.read("boot.blkr.txt"));
}

#[test]
fn what_waits_is_accepted_rejected_or_skipped_at_a_terminal() {
    let sandbox = suite();
    run(&sandbox, "review").ends_with(2).says(&["standard input is none"]);
    run(&sandbox, "test").ends_with(1);
    let said = review(&sandbox, "x\ns\n", 1);
    assert!(said.contains("base/b.blkr (1 of 1)") && said.contains("different: "), "{said}");
    assert!(is_there(&sandbox, "base/b.blkr.new"));
    review(&sandbox, "r\n", 0);
    assert!(!is_there(&sandbox, "base/b.blkr.new"));
    assert_eq!(sandbox.read("base/b.blkr"), sandbox.read("base.blkr"));
    run(&sandbox, "test").ends_with(1);
    review(&sandbox, "q\n", 1);
    review(&sandbox, "a\n", 0);
    assert_eq!(sandbox.read("base/b.blkr"), sandbox.read("new.blkr"));
    assert!(!is_there(&sandbox, "base/b.blkr.new"));
    run(&sandbox, "test").ends_with(0);
    assert!(review(&sandbox, "", 0).contains("nothing waits"));
}

#[test]
fn what_differs_is_ignored_from_then_on_with_a_reason() {
    let sandbox = suite();
    run(&sandbox, "test").ends_with(1);
    let said = review(&sandbox, "i\nit counts \"boots\"\n", 0);
    assert!(said.contains("why may it differ?") && said.contains("same: "), "{said}");
    assert!(!is_there(&sandbox, "base/b.blkr.new"));
    let file = String::from_utf8(sandbox.read("blkreplay.toml")).unwrap();
    assert!(
        file.contains("where = \"has(payload)\"\nbytes = \"0x4000..0x5000\"\nreason = \"it counts \\\"boots\\\"\"\n"),
        "{file}"
    );
    run(&sandbox, "config check").ends_with(0);
    run(&sandbox, "test").ends_with(0);
    sandbox.write("now/c.blkr", &sandbox.read("base.blkr"));
    run(&sandbox, "test").ends_with(2);
    let said = review(&sandbox, "i\na\n", 0);
    assert!(said.contains("there is no baseline yet"), "{said}");
    assert!(is_there(&sandbox, "base/c.blkr"));
    sandbox.remove("now/a.blkr");
    record(&sandbox, "now/a.blkr", &format!("{WORK} -c flush"));
    run(&sandbox, "test").ends_with(1);
    let said = review(&sandbox, "i\nno\ns\n", 1);
    assert!(said.contains("no rule can be proposed"), "{said}");
}
