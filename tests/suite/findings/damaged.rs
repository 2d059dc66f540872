//! Traces that are cut or damaged: what is whole is looked at, and nothing is found that only the loss made up.

use std::collections::BTreeSet;

use blkreplay_fixtures::damage::{cuts, flipped};
use serde_json::{Value, json};

use super::{brief, check, objects, recorded};
use crate::support::Sandbox;

/// What a loss itself is.
const OF_LOSS: [&str; 3] = ["events-lost", "cut", "open-at-cut"];

/// Three times the same, far enough apart for chunks of their own: a write that begins inside a block, and a flush.
const THREE: &str = "-c 'write -q 512 512' -c flush -c 'sleep 400' -c 'write -q 4608 512' -c flush -c 'sleep 400' \
     -c 'write -q 8704 512' -c flush";

/// Where the chunks of a trace begin, by what its format says they begin with.
fn chunks(trace: &[u8]) -> Vec<usize> {
    let is_chunk = |place: &usize| trace[*place..].starts_with(b"BLKC");
    (0..trace.len()).filter(is_chunk).collect()
}

/// Which of the three writes are found.
fn unaligned(found: &BTreeSet<(String, Option<u64>)>) -> Vec<u64> {
    found.iter().filter(|(name, _)| name == "unaligned").filter_map(|(_, id)| *id).collect()
}

#[test]
fn on_both_sides_of_a_damaged_chunk_is_found_what_is_there() {
    let sandbox = recorded(THREE);
    let whole = sandbox.read("t.blkr");
    let (objects_of_whole, _) = objects(&sandbox);
    assert_eq!(unaligned(&brief(&objects_of_whole)), [0, 2, 4]);
    let mut seen = BTreeSet::new();
    let starts = chunks(&whole);
    for (start, next) in starts.iter().zip(&starts[1..]) {
        sandbox.write("t.blkr", &flipped(&whole, next - 1 - (next - start) / 8));
        let (found, sums) = objects(&sandbox);
        let ids = unaligned(&brief(&found));
        let lost: Vec<_> = found.iter().filter(|one| one["name"] == "events-lost").collect();
        // Where the last is lost, nothing behind it says that there was one.
        let cut = found.iter().any(|one| one["name"] == "cut");
        if ids.len() < 3 && !cut {
            assert_eq!(lost.len(), 1, "{ids:?}: {found:?}");
            let text = lost[0]["text"].as_str().unwrap();
            assert!(text.contains(" before event "), "it is known how many: {text}");
            assert!(sums["unknown"].as_str().unwrap().contains("events are missing"), "{sums}");
        }
        assert_eq!(cut, !ids.contains(&4), "{ids:?}: {found:?}");
        seen.insert(ids);
    }
    assert!(seen.contains(&vec![0, 4]), "{seen:?}");
    // What is told to people says it, too, and the fault of the trace comes first.
    let middle = starts.iter().zip(&starts[1..]).find_map(|(start, next)| {
        sandbox.write("t.blkr", &flipped(&whole, next - 1 - (next - start) / 8));
        (unaligned(&brief(&objects(&sandbox).0)) == [0, 4]).then_some(())
    });
    middle.unwrap();
    let told = check(&sandbox, "--findings").ends_with(1);
    let place = |text: &str| told.stdout.find(text).unwrap_or_else(|| panic!("{text}: {told}"));
    assert!(place("fault ") < place("t.blkr  1 fault"), "{told}");
    assert!(place("t.blkr  1 fault") < place("finding f7 warn unaligned  #0 "), "{told}");
    assert!(place("unaligned  #0 ") < place("finding f10 warn events-lost  event "), "{told}");
    assert!(place("events-lost") < place("unaligned  #4 "), "{told}");
    assert!(
        place("unaligned  #4 ") < place("t.blkr: events are missing: behind that place"),
        "{told}"
    );
}

#[test]
fn a_cut_trace_is_looked_at_as_far_as_it_is_whole() {
    let sandbox = recorded(THREE);
    let whole = sandbox.read("t.blkr");
    let mut seen = BTreeSet::new();
    for end in chunks(&whole) {
        sandbox.write("t.blkr", &whole[..end + 5]);
        let (found, _) = objects(&sandbox);
        let found = brief(&found);
        assert!(!found.iter().any(|(name, _)| name == "never-completed"), "{found:?}");
        let cut = found.iter().any(|(name, _)| name == "cut");
        // Without its index alone the recording is whole.
        assert!(cut || unaligned(&found).len() == 3, "{found:?}");
        seen.insert((unaligned(&found), cut));
    }
    for expected in [(vec![], true), (vec![0], true), (vec![0, 2], true), (vec![0, 2, 4], false)] {
        assert!(seen.contains(&expected), "{expected:?}: {seen:?}");
    }
}

#[test]
fn whatever_is_lost_of_a_trace_nothing_is_found_that_is_not_in_the_whole() {
    let mut lost = 0;
    for fixture in ["native/operations.blkr", "native/sessions.blkr"] {
        let sandbox = Sandbox::new();
        let whole = blkreplay_fixtures::bytes(fixture);
        sandbox.write("t.blkr", &whole);
        let all = brief(&objects(&sandbox).0);
        let header = chunks(&whole)[0];
        let flips = (header..whole.len()).step_by(29).map(|place| flipped(&whole, place));
        let cut = cuts(&whole).skip(header).step_by(97).map(<[u8]>::to_vec);
        for hurt in flips.chain(cut) {
            sandbox.write("t.blkr", &hurt);
            for (name, id) in brief(&objects(&sandbox).0) {
                let of_loss = OF_LOSS.contains(&name.as_str());
                lost += usize::from(of_loss);
                assert!(of_loss || all.contains(&(name.clone(), id)), "{fixture}: {name} {id:?}");
            }
        }
    }
    assert!(lost > 20, "{lost}");
}

#[test]
fn without_a_header_it_is_said_why_nothing_is_looked_for() {
    let sandbox = recorded("-c 'write -q 512 512'");
    let whole = sandbox.read("t.blkr");
    sandbox.write("t.blkr", &flipped(&whole, 40));
    for words in ["--findings", "--findings --all"] {
        let checked = check(&sandbox, words).ends_with(1);
        assert!(!checked.stdout.contains("finding"), "{checked}");
        checked.says(&["no findings are looked for in t.blkr: its header is not whole"]);
        let sums = check(&sandbox, &format!("{words} --json")).ends_with(1);
        let lines = sums.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let [checked, sums]: [Value; 2] = lines.collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(checked["schema"], "blkreplay.check/1");
        assert_eq!(sums["schema"], "blkreplay.findings/1");
        assert_eq!(sums["unknown"], "its header is not whole");
        assert_eq!(sums["codes"], json!({}));
    }
}
