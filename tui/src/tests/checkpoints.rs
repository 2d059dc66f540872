//! Checkpoints: what each released agrees with what core reads; the shared focus and the filter; what is missing.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use blkreplay_core::event::{Checkpoint, EventKind};
use blkreplay_core::format::Reader;
use blkreplay_core::qemu::{Layout, LogReader};
use blkreplay_fixtures::story::{self, FAILED};
use blkreplay_fixtures::{native, path};

use super::Inspector;
use super::growing::file;
use super::logs::log;
use crate::action::View;
use crate::events::Missing;

/// What is compared of a checkpoint: its name, its counts, and the requests that it completed.
type Told = (Option<&'static str>, [u64; 5], Vec<u64>);

/// All checkpoints, one after the other.
fn all(inspector: &mut Inspector) -> Vec<Told> {
    inspector.press("g");
    let mut all = Vec::new();
    let mut last = None;
    while let Some(row) = inspector.desk.app.checkpoints.focused() {
        if last.replace(row.first) == Some(row.first) {
            break;
        }
        let counts = &row.counts;
        let counts = [counts.block, counts.bh, counts.net, counts.input, counts.char];
        let ids = row.completed.iter().map(|one| one.id.0).collect();
        all.push((row.kind.map(Checkpoint::name), counts, ids));
        inspector.press("j");
    }
    all
}

/// The same, counted with what core reads. Of a log, what is released lies `before` its checkpoint.
fn counted(kinds: impl Iterator<Item = EventKind>, before: bool) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    let mut pending: Told = (None, [0; 5], Vec::new());
    let mut is_open = false;
    for kind in kinds {
        let column = match &kind {
            EventKind::Block(_) | EventKind::BlockId { .. } => 0,
            EventKind::Bh { .. } | EventKind::BhOneshot { .. } => 1,
            EventKind::Net { .. } => 2,
            EventKind::Input(_) | EventKind::InputSync => 3,
            EventKind::CharRead { .. } => 4,
            EventKind::Checkpoint(checkpoint) => {
                let named = (Some(checkpoint.name()), [0; 5], Vec::new());
                if before {
                    all.push((named.0, pending.1, std::mem::take(&mut pending.2)));
                    pending.1 = [0; 5];
                } else {
                    all.push(named);
                }
                is_open = true;
                continue;
            }
            EventKind::Issue(_) => {
                is_open = false;
                continue;
            }
            _ => continue,
        };
        let to = match (before, is_open) {
            (true, _) => &mut pending,
            (false, true) => all.last_mut().unwrap(),
            (false, false) => continue,
        };
        to.1[column] += 1;
        match kind {
            EventKind::Block(block) => to.2.push(block.id.0),
            EventKind::BlockId { id } => to.2.push(id.0),
            _ => {}
        }
    }
    all
}

fn read(trace: &[u8]) -> Vec<EventKind> {
    let mut reader = Reader::open(Cursor::new(trace)).unwrap();
    std::iter::from_fn(|| reader.next_event().unwrap()).map(|(_, event)| event.kind).collect()
}

fn read_log(log: &[u8], layout: &'static Layout) -> Vec<EventKind> {
    let mut reader = LogReader::new(log, layout).unwrap();
    std::iter::from_fn(|| reader.next_event().unwrap()).map(|event| event.event.kind).collect()
}

#[test]
fn checkpoints_of_a_log_have_what_its_reader_reads_and_the_counts_of_another_decoder() {
    for (name, label) in
        [("q100-fix-a1", "0c/v8.0"), ("q52-boot_a", "0a/v5.1"), ("q111-boot_a", "0e/v11.1")]
    {
        let (log, layout) = (log(name), Layout::named(label).unwrap());
        let mut inspector = Inspector::of_log(&log, label, 60, 12);
        let found = all(&mut inspector);
        let wanted = counted(read_log(&log, layout).into_iter(), !layout.releases_behind());
        assert_eq!(found.len(), wanted.len(), "{name}");
        assert_eq!(found, wanted, "{name}");
        let summary = blkreplay_fixtures::bytes(&format!("qemu/logs/{name}.rr.summary"));
        let summary = String::from_utf8(summary).unwrap();
        let counts: BTreeMap<&str, u64> = summary
            .lines()
            .skip(1)
            .map(|line| line.trim().split_once(' ').unwrap())
            .map(|(count, kind)| (kind, count.parse().unwrap()))
            .collect();
        let checkpoints: u64 =
            counts.iter().filter(|(kind, _)| kind.starts_with("CP_")).map(|(_, count)| count).sum();
        assert_eq!(found.len() as u64, checkpoints, "{name}");
        let blocks: u64 = found.iter().map(|(_, counts, _)| counts[0]).sum();
        assert_eq!(blocks, counts["ASYNC_BLOCK"], "{name}");
    }
}

#[test]
fn only_those_that_released_something_are_listed_if_that_is_wanted() {
    let log = log("q100-boot_a");
    let mut inspector = Inspector::of_log(&log, "0c/v8.0", 80, 24);
    inspector.press("h");
    let found = all(&mut inspector);
    let layout = Layout::named("0c/v8.0").unwrap();
    let wanted = counted(read_log(&log, layout).into_iter(), true);
    let released = |told: &Told| told.1.iter().sum::<u64>() > 0;
    assert_eq!(found, wanted.iter().filter(|told| released(told)).cloned().collect::<Vec<_>>());
    inspector.press("h");
    assert_eq!(all(&mut inspector).len(), wanted.len());
}

#[track_caller]
fn agrees(trace: &[u8], path: &Path) -> usize {
    let mut inspector = Inspector::of(path, 80, 24);
    inspector.press("7");
    let wanted = counted(read(trace).into_iter(), false);
    assert_eq!(all(&mut inspector), wanted, "{}", path.display());
    wanted.len()
}

#[test]
fn checkpoints_of_a_trace_have_what_its_reader_reads() {
    for name in ["guest", "sessions", "operations", "two-devices", "guest-blocks"] {
        let path = path(&format!("native/{name}.blkr"));
        agrees(&std::fs::read(&path).unwrap(), &path);
    }
    let trace = story::released();
    assert!(agrees(&trace, file(&trace).path()) > 100);
}

#[test]
fn the_focus_is_shared_with_the_list_of_requests() {
    let file = file(&story::released());
    let mut inspector = Inspector::of(file.path(), 80, 24);
    inspector.press("e 7");
    let ids = |inspector: &Inspector| -> Vec<u64> {
        let row = inspector.desk.app.checkpoints.focused().unwrap();
        row.completed.iter().map(|one| one.id.0).collect()
    };
    assert!(ids(&inspector).contains(&FAILED), "{:?}", ids(&inspector));
    assert_eq!(inspector.focused(), FAILED, "the focus stays where it was");
    inspector.press("j j");
    while ids(&inspector).is_empty() {
        inspector.press("j");
    }
    let first = ids(&inspector)[0];
    assert_eq!(inspector.focused(), first);
    inspector.press("enter");
    assert_eq!((inspector.desk.app.view, inspector.focused()), (View::Requests, first));
    inspector.press("7 G");
    let last = ids(&inspector);
    assert_eq!(last.last(), Some(&(story::REQUESTS - 1)));
    assert_eq!(inspector.focused(), last[0]);
    inspector.press("1 g 7 g");
    assert_eq!(
        inspector.desk.app.checkpoints.focused().unwrap().kind.unwrap().name(),
        "controller"
    );
}

#[test]
fn of_a_checkpoint_that_completed_nothing_its_events_are_shown() {
    let file = file(&story::released());
    let mut inspector = Inspector::of(file.path(), 80, 24);
    inspector.press("7 g");
    while inspector.desk.app.checkpoints.focused().unwrap().counts.total() > 0 {
        inspector.press("j");
    }
    let first = inspector.desk.app.checkpoints.focused().unwrap().first;
    inspector.press("enter");
    assert!(inspector.desk.app.lists_events());
    let event = inspector.desk.app.events.focused().unwrap();
    assert_eq!((event.index, event.kind), (first, "checkpoint"));
}

#[test]
fn a_filter_leaves_the_checkpoints_of_the_requests_that_it_leaves() {
    let trace = story::released();
    let file = file(&trace);
    let mut inspector = Inspector::of(file.path(), 80, 24);
    inspector.press("f 'flush' enter 7");
    let found = all(&mut inspector);
    let shown: u64 = found.iter().map(|(_, counts, _)| counts[0]).sum();
    assert_eq!(shown, inspector.shown());
    assert!(found.iter().all(|(_, _, ids)| ids.iter().all(|id| id % 10 == 9)), "{found:?}");
    inspector.press("backspace f 'id == 121' enter");
    let found = all(&mut inspector);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].2, [FAILED]);
    inspector.press("backspace 1 g e 7 =");
    let row = inspector.desk.app.checkpoints.focused().unwrap();
    assert_eq!(inspector.shown(), row.counts.block);
    assert!(row.completed.iter().any(|one| one.id.0 == FAILED));
    inspector.press("backspace f 'id == 99999' enter 7");
    let text = "no checkpoint released a request that the filter leaves";
    assert!(inspector.screen().contains(text), "{}", inspector.screen());
}

#[test]
fn a_filter_leaves_a_completed_request_whichever_chunks_may_hold_its_id() {
    let file = file(&native::crossed(12));
    let mut inspector = Inspector::of(file.path(), 80, 24);
    for id in [0, 6, 11, 12, 19, 23] {
        inspector.press(&format!("f 'id == {id}' enter 7"));
        let found = all(&mut inspector);
        assert_eq!(found.len(), 1, "{id}: {found:?}");
        assert_eq!(found[0].2, [id]);
        inspector.press("backspace 1");
    }
    inspector.press("7 g");
    let row = inspector.desk.app.checkpoints.focused().unwrap();
    let places = row.completed.iter().map(|one| one.place.unwrap());
    let last_first = (0..12).rev().flat_map(|chunk| [2 * chunk, 2 * chunk + 1]);
    assert_eq!(places.collect::<Vec<u64>>(), last_first.collect::<Vec<_>>());
}

#[test]
fn a_checkpoint_of_which_something_is_missing_wears_a_mark_and_says_why() {
    let log = log("q100-flip-blockid");
    let mut inspector = Inspector::of_log(&log, "0c/v8.0", 80, 24);
    inspector.press("w 7");
    let screen = inspector.screen();
    let line = screen.lines().find(|line| line.starts_with('>')).unwrap();
    assert!(line.ends_with('!'), "{screen}");
    assert!(screen.contains("! block-twice request"), "{screen}");

    // Cut behind what was to be released.
    let whole = super::logs::log("q100-boot_a");
    let layout = Layout::named("0c/v8.0").unwrap();
    let mut reader = LogReader::new(&whole[..], layout).unwrap();
    let mut end = None;
    while let Some(event) = reader.next_event().unwrap() {
        if matches!(event.event.kind, EventKind::BlockId { .. }) {
            end = usize::try_from(reader.place().at).ok();
        }
    }
    let mut inspector = Inspector::of_log(&whole[..end.unwrap()], "0c/v8.0", 80, 24);
    inspector.press("G");
    let row = inspector.desk.app.checkpoints.focused().unwrap();
    assert_eq!((row.kind, row.missing), (None, Some(Missing::Unreadable)));
    let screen = inspector.screen();
    assert!(screen.contains("no checkpoint") && screen.contains("cannot be read"), "{screen}");

    let whole = story::released();
    let cut = file(&whole[..whole.len() * 2 / 3]);
    let mut inspector = Inspector::of(cut.path(), 80, 24);
    inspector.press("7 G");
    assert!(inspector.desk.app.checkpoints.focused().is_some(), "{}", inspector.screen());
}

#[test]
fn a_trace_without_checkpoints_and_an_empty_one_say_so() {
    for trace in [story::trace(), story::empty()] {
        let file = file(&trace);
        let mut inspector = Inspector::of(file.path(), 80, 24);
        inspector.press("7 j G g h enter =");
        assert_eq!(inspector.message(), "no request was completed here");
        assert!(
            inspector.screen().contains("this trace has no checkpoints"),
            "{}",
            inspector.screen()
        );
        for (width, height) in [(1, 1), (0, 0), (3, 2), (17, 5), (300, 100)] {
            inspector.terminal.backend_mut().resize(width, height);
            inspector.press("g G k h h");
        }
    }
}
