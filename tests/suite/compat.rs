//! Traces of later versions: what this one skips, and what it refuses, each by name.
//!
//! Invariant: nothing that has to be known is passed over in silence, and nothing that may be skipped gets in
//! the way.

use blkreplay_fixtures::later::{REFUSALS, Refusal};
use blkreplay_fixtures::{bytes, native};

use crate::support::{Finished, Sandbox};

/// Runs a command that must refuse the trace, and checks its words.
#[track_caller]
fn check(sandbox: &Sandbox, command: &str, refusal: &Refusal) -> Finished {
    let refused = sandbox.blkreplay(command).finish().ends_with(2);
    let said = refused.stderr.lines().next().unwrap_or_default().to_owned();
    let (before, after) = said
        .split_once(refusal.words)
        .unwrap_or_else(|| panic!("{}: {:?} was not said: {refused}", refusal.name, refusal.words));
    assert_eq!(after, "", "{said}");
    assert!(before.starts_with("error: ") && before.contains("t.blkr"), "{said}");
    refused
}

#[test]
fn what_must_be_known_and_is_not_is_refused_by_name() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 16 << 20);
    for refusal in &REFUSALS {
        sandbox.write("t.blkr", &(refusal.make)());
        for command in ["print t.blkr", "print --json t.blkr", "print --events --json t.blkr"] {
            let refused = check(&sandbox, command, refusal);
            let wrote = !refused.stdout.is_empty();
            assert!(!(wrote && refusal.at_once), "{}: {refused}", refusal.name);
        }
        check(&sandbox, "replay t.blkr disk.img disk.img --any-image", refusal);
        if refusal.surveyed {
            check(&sandbox, "info t.blkr", refusal);
        }
    }
}

#[test]
fn a_later_version_that_can_read_it_is_named_as_the_way_out() {
    let sandbox = Sandbox::new();
    for refusal in REFUSALS.iter().filter(|refusal| refusal.at_once) {
        sandbox.write("t.blkr", &(refusal.make)());
        check(&sandbox, "print t.blkr", refusal)
            .says(&["hint: a later blkreplay wrote it and can read it"]);
    }
}

#[test]
fn what_may_be_skipped_is_skipped_and_all_else_is_there() {
    let sandbox = Sandbox::new();
    let (name, _) = native::TRACES.into_iter().find(|(name, _)| name.contains("later")).unwrap();
    sandbox.write("later.blkr", &bytes(name));
    sandbox.write("plain.blkr", &bytes("native/sessions.blkr"));
    let print =
        |name: &str| sandbox.blkreplay(&format!("print --json {name}")).finish().succeeds().stdout;
    assert_eq!(print("later.blkr"), print("plain.blkr"), "the same requests, with all they say");
    let info = sandbox.blkreplay("info --json later.blkr").finish().succeeds();
    let told: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    assert_eq!(told["complete"], true, "{info}");
    assert_eq!(told["requests"], 7, "{info}");
}
