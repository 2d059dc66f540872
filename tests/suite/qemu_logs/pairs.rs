//! Pairs of recordings of one machine, folded: two of the same run say the same, and others part where they do.
//!
//! The numbers are those of a script that dropped the same events from what another decoder says of the logs.

use std::io::Cursor;

use blkreplay_core::diff::{EventReport, Keep, Kind, Logged, compare_events};
use blkreplay_core::event::EventKind;
use blkreplay_core::qemu::{self, LogError, LogEvent, LogReader};
use blkreplay_core::request::RequestId;
use blkreplay_core::view::{Fold, Folded, Hidden};

use super::log;

/// What is shown of a log, each with its index in it, and how many events it has.
fn folded(name: &str) -> (Vec<(u64, Folded)>, u64) {
    let log = log(&format!("qemu/logs/{name}.rr.zst"));
    let (_, layout) = qemu::choose(Cursor::new(&log), None).unwrap();
    let mut reader = LogReader::new(&log[..], layout).unwrap();
    let (mut fold, mut events) = (Fold::default(), 0);
    let mut shown: Vec<(u64, Folded)> = Vec::new();
    while let Some(one) = reader.next_event().unwrap() {
        events += 1;
        shown.extend(fold.push(&one.event).map(|folded| (one.index, folded)));
    }
    let mut hidden = fold.rest();
    for (_, one) in &shown {
        hidden += one.hidden;
    }
    assert_eq!(hidden.total() + shown.len() as u64, events, "{name}: nothing goes uncounted");
    (shown, events)
}

/// How many events are shown of each, and how many they share from the beginning on.
fn compare(one: &str, other: &str) -> (usize, usize, usize) {
    let ((one, _), (other, _)) = (folded(one), folded(other));
    let same = |pair: &(&(u64, Folded), &(u64, Folded))| pair.0.1.event == pair.1.1.event;
    (one.len(), other.len(), one.iter().zip(&other).take_while(same).count())
}

#[test]
fn two_recordings_of_one_run_are_the_same_when_they_are_folded() {
    assert_eq!(compare("q100-fix-a1", "q100-fix-a2"), (106, 106, 106));
    assert_eq!(compare("q100-fix-a1", "q100-boot_a"), (106, 106, 106));
}

#[test]
fn a_run_that_writes_once_more_parts_where_it_does() {
    assert_eq!(compare("q100-fix-a1", "q100-fix-b1"), (106, 110, 101));
    assert_eq!(compare("q100-boot_a", "q100-boot_b"), (106, 110, 101));
    assert_eq!(compare("q72-boot_a", "q72-boot_b"), (106, 110, 101));
    let ((one, _), (other, _)) = (folded("q100-fix-a1"), folded("q100-fix-b1"));
    assert!(matches!(one[101].1.event, EventKind::CharWrite { result: 1, offset: 1 }));
    // That script counts from 1.
    assert_eq!((one[101].0 + 1, other[101].0 + 1), (2340, 3400));
    let EventKind::BlockId { id } = other[101].1.event else { panic!("{:?}", other[101]) };
    assert_eq!(id.0, 73);
}

#[test]
fn releases_of_qemu_that_do_the_same_are_the_same_when_they_are_folded() {
    // 7.2 and 10.0 have one layout; 11.1 has another.
    assert_eq!(compare("q100-fix-a1", "q72-boot_a").2, 106);
    assert_eq!(compare("q100-fix-a1", "q111-boot_a").2, 106);
}

#[test]
fn of_a_log_of_millions_hundreds_are_shown() {
    let (shown, events) = folded("q100-linux_a");
    assert_eq!((shown.len(), events), (216, 2_796_134));
    assert!(shown.iter().any(|(_, one)| one.hidden != Hidden::default()));
}

/// A log, whole.
fn logged(name: &str) -> impl FnMut() -> Result<Option<Logged>, LogError> {
    let log = log(&format!("qemu/logs/{name}.rr.zst"));
    let (_, layout) = qemu::choose(Cursor::new(&log), None).unwrap();
    let mut reader = LogReader::new(Cursor::new(log), layout).unwrap();
    move || {
        let next = reader.next_event()?;
        Ok(next.map(|LogEvent { index, at, icount, event, .. }| Logged {
            index,
            at,
            icount,
            event,
        }))
    }
}

fn differences(base: &str, new: &str) -> EventReport {
    let keep = Keep { differences: 20, context: 3, first_only: false };
    compare_events(logged(base), logged(new), 1 << 16, keep).unwrap()
}

#[test]
fn a_diff_of_two_recordings_of_one_run_finds_none_whatever_the_release() {
    for (base, new) in [
        ("q100-fix-a1", "q100-fix-a2"),
        ("q100-fix-a1", "q72-boot_a"),
        ("q100-fix-a1", "q111-boot_a"),
    ] {
        let report = differences(base, new);
        assert!(report.is_same(), "{base} {new}: {report:?}");
        assert_eq!((report.same, report.differences.len()), (106, 0));
    }
}

#[test]
fn a_diff_finds_the_extra_write_first_and_says_where_it_is() {
    let report = differences("q100-fix-a1", "q100-fix-b1");
    assert_eq!((report.same, report.changed, report.added, report.removed), (106, 0, 4, 0));
    let first = &report.differences[0];
    let shown = first.new.as_ref().unwrap();
    assert_eq!((first.kind, &first.base), (Kind::Added, &None));
    assert_eq!(shown.folded.event, EventKind::BlockId { id: RequestId(73) });
    // Place, byte and instructions as that script says them, but for counting from 1.
    assert_eq!((shown.folded.place, shown.index + 1), (101, 3400));
    assert_eq!((shown.at, shown.icount), (10_683, 5_996_233));
    let places: Vec<_> = report.before.iter().map(|(one, _)| one.folded.place).collect();
    assert_eq!(places, [98, 99, 100]);
    let (after, _) = &report.after[0];
    assert!(matches!(after.folded.event, EventKind::CharWrite { result: 1, offset: 1 }));
    assert_eq!((after.at, after.index + 1), (7507, 2340));
    let shown = report.same + report.added;
    assert_eq!(
        report.hidden_new.total() + shown,
        folded("q100-fix-b1").1,
        "nothing goes uncounted"
    );
}
