//! Traces that are cut, damaged, or none at all.

use std::io::Cursor;

use blkreplay_core::event::Event;
use blkreplay_core::format::Reader;
use blkreplay_fixtures::damage::{cuts, flipped};

use crate::support::Sandbox;
use crate::trace::rows;

/// How many cuts are tried on the program itself; the reader is tried on every one.
const PROGRAM_CUTS: usize = 40;

/// A sandbox with a small trace of several chunks, and its bytes.
fn small_trace() -> (Sandbox, Vec<u8>) {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 60, 64 << 10);
    let client = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'write -P 1 0 512' -c 'read 0 1k' \"$BLKREPLAY_URI\"
         sleep 0.6
         qemu-io -f raw -c 'write -P 2 512 512' -c 'read 0 1k' -c flush \"$BLKREPLAY_URI\"",
    );
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
    let whole = sandbox.read("t.blkr");
    (sandbox, whole)
}

/// What the reader makes of a file: `None` if the header is not whole, else the events and whether it says
/// that some are missing.
fn read(bytes: &[u8]) -> Option<(Vec<Event>, bool)> {
    let mut reader = Reader::open(Cursor::new(bytes)).ok()?;
    let mut events = Vec::new();
    while let Some((index, event)) = reader.next_event().unwrap() {
        assert_eq!(index, events.len() as u64);
        events.push(event);
    }
    Some((events, reader.loss().is_some()))
}

#[test]
fn a_trace_cut_at_any_byte_gives_what_is_whole_and_says_what_is_lost() {
    let (_, whole) = small_trace();
    let (all, lost) = read(&whole).unwrap();
    assert!(!lost);
    let mut kept_before = 0;
    for cut in cuts(&whole) {
        let Some((kept, lost)) = read(cut) else {
            assert_eq!(kept_before, 0, "a longer file cannot be worse: {} bytes", cut.len());
            continue;
        };
        assert_eq!(kept, all[..kept.len()], "at {} bytes", cut.len());
        assert!(kept.len() >= kept_before, "at {} bytes", cut.len());
        assert!(lost || kept.len() == all.len(), "at {} bytes nothing is said", cut.len());
        kept_before = kept.len();
    }
    assert!(kept_before > 0);
}

#[test]
fn every_command_tells_a_cut_trace_by_its_exit_code() {
    let (sandbox, whole) = small_trace();
    let step = (whole.len() / PROGRAM_CUTS).max(1);
    let mut codes = std::collections::BTreeSet::new();
    for cut in cuts(&whole).step_by(step) {
        sandbox.write("cut.blkr", cut);
        let code = match read(cut) {
            None => 2,
            Some((_, true)) => 3,
            Some((_, false)) => 0,
        };
        codes.insert(code);
        let printed = sandbox.blkreplay("print cut.blkr --json").finish().ends_with(code);
        if code != 0 {
            assert!(printed.stderr.contains("cut.blkr"), "{printed}");
        }
        if code == 2 {
            assert!(printed.stdout.is_empty(), "{printed}");
        }
        rows(&printed.stdout);
        sandbox.blkreplay("info cut.blkr").finish().ends_with(code);
    }
    assert!(codes.contains(&2) && codes.contains(&3), "both kinds of cut were tried: {codes:?}");
}

#[test]
fn a_damaged_trace_is_never_taken_for_a_whole_one() {
    let (sandbox, whole) = small_trace();
    let (all, _) = read(&whole).unwrap();
    for place in 0..whole.len() {
        // Whatever is made of it, no event is made up.
        let Some((kept, _)) = read(&flipped(&whole, place)) else { continue };
        for event in &kept {
            assert!(all.contains(event), "byte {place} made up {event:?}");
        }
    }
    for place in (0..whole.len()).step_by(whole.len() / 20) {
        sandbox.write("hurt.blkr", &flipped(&whole, place));
        let printed =
            sandbox.blkreplay("print hurt.blkr --json").finish().ends_with_one_of(&[0, 2, 3]);
        rows(&printed.stdout);
    }
}

#[test]
fn a_cut_trace_is_not_replayed() {
    let (sandbox, whole) = small_trace();
    sandbox.copy("disk.img", "before.img");
    sandbox.write("cut.blkr", &whole[..whole.len() * 3 / 4]);
    sandbox
        .blkreplay("replay cut.blkr before.img --write")
        .finish()
        .ends_with(2)
        .says(&["error", "cut.blkr"]);
    sandbox.assert_same("before.img", "disk.img");
}

#[test]
fn what_is_no_trace_is_refused_by_every_command() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 64 << 10);
    sandbox.write("empty.blkr", b"");
    sandbox.write("text.blkr", b"This is a letter, not a trace.\n");
    sandbox.solid("noise.blkr", 61, 100_000);
    std::fs::create_dir(sandbox.path("folder.blkr")).unwrap();
    for name in ["missing.blkr", "empty.blkr", "text.blkr", "noise.blkr", "folder.blkr"] {
        for command in ["print", "info", "replay"] {
            let image = if command == "replay" { " disk.img" } else { "" };
            let refused = sandbox
                .blkreplay(&format!("{command} {name}{image}"))
                .finish()
                .ends_with(2)
                .says(&["error", name]);
            assert!(refused.stdout.is_empty(), "{refused}");
        }
    }
}
