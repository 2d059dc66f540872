//! Canonical text on either side: it is the same as the trace that it was printed of, and says where it is not.

use std::path::PathBuf;

use super::{diff, pair};
use crate::support::Sandbox;

/// `base.blkr.txt` and `new.blkr.txt`, printed of the traces.
fn print(sandbox: &Sandbox) {
    for name in ["base.blkr", "new.blkr"] {
        let text = sandbox.printed(&format!("{name} --format canonical"));
        sandbox.write(&format!("{name}.txt"), text.as_bytes());
    }
}

fn compared(sandbox: &Sandbox, words: &str) -> crate::support::Finished {
    sandbox.blkreplay(&format!("diff {words}")).finish()
}

#[test]
fn a_text_is_the_same_as_its_trace_and_different_where_that_is() {
    let sandbox = pair("-P 3 16k 4k", "-P 9 16k 4k");
    print(&sandbox);
    for (base, new, code) in [
        ("base.blkr.txt", "base.blkr", 0),
        ("base.blkr", "base.blkr.txt", 0),
        ("base.blkr.txt", "base.blkr.txt", 0),
        ("base.blkr.txt", "new.blkr", 1),
        ("base.blkr", "new.blkr.txt", 1),
        ("base.blkr.txt", "new.blkr.txt", 1),
    ] {
        compared(&sandbox, &format!("{base} {new}")).ends_with(code);
        compared(&sandbox, &format!("{base} {new} --align key --ignore payload")).ends_with(0);
    }
    let told = compared(&sandbox, "base.blkr.txt new.blkr --format json").ends_with(1);
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["summary"]["changed"], 2, "{told}");
    compared(&sandbox, "base.blkr.txt new.blkr --ignore-where off==16k").ends_with(0);
    compared(&sandbox, "base.blkr.txt new.blkr --ignore payload --budget count(flush)<=+5%")
        .ends_with(0);
    diff(&sandbox, "").ends_with(1);
}

#[test]
fn what_a_text_does_not_say_is_trouble() {
    let sandbox = pair("", "");
    print(&sandbox);
    for (words, said) in [
        ("--align order", "canonical text does not have the order in an epoch"),
        ("--align conflict", "the order in an epoch"),
        ("--align state", "the data that were written"),
        ("--barrier none", "epochs but those that end with a flush"),
        ("--ignore-where lat>1ms", "canonical text says nothing of `lat`"),
        ("--mask 0..4", "asks for the data of request"),
        ("--budget max(lat)<=1s", "canonical text says nothing of `lat`"),
    ] {
        compared(&sandbox, &format!("base.blkr.txt new.blkr {words}")).ends_with(2).says(&[said]);
    }
    let text = String::from_utf8(sandbox.read("base.blkr.txt")).unwrap();
    sandbox.write("base.blkr.txt", text.replacen(" ok", " okay", 1).as_bytes());
    compared(&sandbox, "base.blkr.txt new.blkr").ends_with(2).says(&["line 2", "`okay` is not ok"]);
    sandbox.write("base.blkr.txt", b"# blkreplay canonical 1\ne000 write 0+4096 ok\n");
    compared(&sandbox, "base.blkr.txt new.blkr")
        .ends_with(2)
        .says(&["as in line 2", "--ignore payload"]);
}

#[test]
fn a_text_and_a_cut_trace_are_not_compared_whatever_is_allowed() {
    let sandbox = pair("", "");
    print(&sandbox);
    let whole = sandbox.read("new.blkr");
    sandbox.write("new.blkr", &whole[..whole.len() - 9]);
    for (words, code, said) in [
        ("", "truncated", "two traces can be compared with --allow-truncated"),
        ("--allow-truncated", "text", "a text and a cut trace cannot be compared: new.blkr is not"),
    ] {
        let words = format!("base.blkr.txt new.blkr {words}");
        compared(&sandbox, &words).ends_with(2).says(&[said]);
        let told = compared(&sandbox, &format!("{words} --format json")).ends_with(2);
        let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(told["error"]["code"], code);
    }
    // What is whole needs no leave.
    compared(&sandbox, "base.blkr.txt base.blkr --allow-truncated").ends_with(0);
}

#[test]
fn every_trace_that_is_kept_is_the_same_as_its_text() {
    let files = std::fs::read_dir(blkreplay_fixtures::path("native")).unwrap();
    let traces = files.map(|file| file.unwrap().path());
    let traces = traces.filter(|path| path.extension().is_some_and(|end| end == "blkr"));
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let traces: Vec<_> = traces.map(name).collect();
    // These are not whole, and of this one no data were recorded.
    let others = ["cut.blkr", "later.blkr", "guest-blocks.blkr"];
    assert!(others.iter().all(|other| traces.iter().any(|name| name == other)), "{traces:?}");
    for fixture in traces.iter().filter(|name| !others.contains(&name.as_str())) {
        let sandbox = Sandbox::holding(&format!("native/{fixture}"));
        sandbox.write("t.txt", sandbox.printed("t.blkr --format canonical").as_bytes());
        compared(&sandbox, "t.blkr t.txt").ends_with(0);
        compared(&sandbox, "t.txt t.blkr").ends_with(0);
        // Of a text with a line less, that line is the difference.
        let text = String::from_utf8(sandbox.read("t.txt")).unwrap();
        let first = text.lines().find(|line| !line.starts_with('#')).unwrap();
        let fewer = text.replacen(&format!("{first}\n"), "", 1);
        sandbox.write("fewer.txt", fewer.as_bytes());
        let told = compared(&sandbox, "fewer.txt t.blkr --format json").ends_with(1);
        let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(
            (&told["summary"]["added"], &told["summary"]["removed"]),
            (&1.into(), &0.into())
        );
    }
}
