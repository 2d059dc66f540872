//! `diff --suite`: two folders, file by file.

use super::{pair, read_report};
use crate::support::{Finished, Sandbox};

/// Two folders, of which `deep/b.blkr` differs, `c.blkr` is the same, `a.blkr` and `d.blkr` are in one only.
fn folders() -> Sandbox {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    for folder in ["one/deep", "two/deep"] {
        std::fs::create_dir_all(sandbox.path(folder)).unwrap();
    }
    let (base, new) = (sandbox.read("base.blkr"), sandbox.read("new.blkr"));
    for (name, bytes) in [
        ("one/a.blkr", &base),
        ("one/deep/b.blkr", &base),
        ("two/deep/b.blkr", &new),
        ("one/c.blkr", &base),
        ("two/c.blkr", &base),
        ("two/d.blkr", &new),
    ] {
        sandbox.write(name, bytes);
    }
    sandbox
}

fn suite(sandbox: &Sandbox, words: &str) -> Finished {
    sandbox.blkreplay(&format!("diff --suite one two {words}")).finish()
}

#[test]
fn files_are_compared_by_name_and_a_missing_one_is_a_difference() {
    let sandbox = folders();
    let told = suite(&sandbox, "").ends_with(1);
    let heads: Vec<&str> = told.stdout.lines().filter(|line| line.starts_with("one/")).collect();
    assert_eq!(heads, ["one/a.blkr", "one/c.blkr", "one/d.blkr", "one/deep/b.blkr"], "{told}");
    assert!(
        told.stdout.contains("different: one/a.blkr is there, and two/a.blkr is not"),
        "{told}"
    );
    assert!(
        told.stdout.contains("different: two/d.blkr is there, and one/d.blkr is not"),
        "{told}"
    );
    assert!(told.stdout.contains("same: 8 requests"), "{told}");
    let told = suite(&sandbox, "--format json --format junit=d.xml").ends_with(1);
    sandbox.write("d.json", told.stdout.as_bytes());
    let verdicts = read_report(&sandbox, "json", "d.json");
    assert_eq!(verdicts, "different 1\nsame 0\ndifferent 1\ndifferent 1\n");
    let cases = read_report(&sandbox, "junit", "d.xml");
    assert!(cases.starts_with("tests 6 failures 4 errors 0\n"), "{cases}");
}

#[test]
fn what_lies_beside_baselines_is_no_trace() {
    let sandbox = folders();
    sandbox.write("one/blkreplay.toml", b"[diff]\nalign = \"key\"\n");
    sandbox.write("one/c.blkr.new", &sandbox.read("new.blkr"));
    let told = suite(&sandbox, "").ends_with(1);
    assert!(!told.stdout.contains("toml\n") && !told.stdout.contains(".new\n"), "{told}");
    assert!(told.stdout.contains("(align key)"), "the file is read all the same: {told}");
}

#[test]
fn no_report_goes_into_a_folder_that_is_compared() {
    let sandbox = folders();
    sandbox.write("one/a.txt", b"# blkreplay canonical 1\n");
    for place in ["one/a.txt", "two/new.txt", "two/deep/../x", "one/a.blkr"] {
        let told = suite(&sandbox, &format!("-o {place}")).ends_with(2);
        told.says(&[&format!("cannot write {place}: it lies in a folder that is compared")]);
    }
    assert_eq!(sandbox.read("one/a.txt"), b"# blkreplay canonical 1\n");
    assert!(!sandbox.path("two/new.txt").exists());
    suite(&sandbox, "-o told.txt").ends_with(1);
}

#[test]
fn the_worst_of_all_pairs_decides() {
    let sandbox = folders();
    sandbox.write("two/c.blkr", b"");
    let told = suite(&sandbox, "--format json").ends_with(2).says(&["two/c.blkr"]);
    assert_eq!(told.stdout.lines().count(), 4, "the others are compared all the same");
    for name in ["one/a.blkr", "two/d.blkr", "one/deep/b.blkr", "two/deep/b.blkr", "two/c.blkr"] {
        sandbox.remove(name);
    }
    sandbox.write("two/c.blkr", &sandbox.read("one/c.blkr"));
    suite(&sandbox, "").succeeds();
}

#[test]
fn folders_that_cannot_be_compared_are_trouble() {
    let sandbox = folders();
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    for (words, says) in [
        ("one nowhere", "cannot read the folder nowhere"),
        ("one base.blkr", "Not a directory"),
        ("empty empty", "neither empty nor empty holds a file"),
        ("one", "two folders are compared, and 1 was given"),
    ] {
        sandbox.blkreplay(&format!("diff --suite {words}")).finish().ends_with(2).says(&[says]);
    }
}
