//! Traces that are cut, damaged, without requests, or gone while they are looked at.

use std::io::Cursor;
use std::path::PathBuf;

use blkreplay_core::format::Reader;
use blkreplay_fixtures::damage::flipped;
use blkreplay_fixtures::story::{self, REQUESTS};
use blkreplay_fixtures::{bytes, native, path};

use tempfile::NamedTempFile;

use super::Inspector;
use crate::desk::Heard;
use crate::journal::Noted;
use crate::loader::Told;

pub(super) fn file(trace: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), trace).unwrap();
    file
}

#[test]
fn a_trace_that_is_cut_shows_what_is_whole_and_says_what_is_missing() {
    let whole = story::trace();
    let file = file(&whole[..whole.len() * 2 / 3]);
    let mut inspector = Inspector::of(file.path(), 120, 24);
    let screen = inspector.screen();
    assert!(inspector.shown() > 0 && inspector.shown() < REQUESTS, "{}", inspector.shown());
    let banner = inspector.desk.app.banner.clone().unwrap_or_default();
    assert!(banner.starts_with("the trace is cut"), "{banner}");
    assert!(screen.contains(&banner[..100]), "{screen}");
    inspector.press("G");
    assert_eq!(inspector.focused() + 1, inspector.shown());
}

/// The story, with a bit flipped in the events of a chunk in its middle.
pub(super) fn damaged() -> Vec<u8> {
    let whole = story::trace();
    let reads = |trace: &[u8]| {
        let mut reader = Reader::open(Cursor::new(trace.to_vec())).unwrap();
        while reader.next_event().unwrap().is_some() {}
        reader.loss().is_none()
    };
    let flipped = (whole.len() / 4..).step_by(101).map(|place| flipped(&whole, place));
    flipped.into_iter().find(|trace| !reads(trace)).unwrap()
}

#[test]
fn damage_and_events_that_were_dropped_are_both_told_whichever_is_known_first() {
    for is_damage_first in [true, false] {
        let mut inspector = Inspector::new(80, 24);
        let app = &mut inspector.desk.app;
        let damage = || Told::Loss("the trace is damaged".to_owned());
        let (first, second) = if is_damage_first {
            (damage(), Told::Dropped(1234))
        } else {
            (Told::Dropped(1234), damage())
        };
        app.told(first);
        app.told(second);
        inspector.settle();
        let both = "! the recorder dropped 1,234 events; the trace is damaged\n";
        assert!(inspector.screen().contains(both), "{}", inspector.screen());
    }
}

#[test]
fn a_chunk_that_is_damaged_is_passed_over_and_told() {
    let trace = damaged();
    let file = file(&trace);
    let mut inspector = Inspector::of(file.path(), 120, 24);
    inspector.press("G g space space space space space space");
    let banner = inspector.desk.app.banner.clone().unwrap_or_default();
    assert!(banner.contains("damaged"), "{banner}");
    let words =
        |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    assert!(words(&inspector.screen()).contains(&words(&banner)), "{}", inspector.screen());
    assert!(inspector.shown() > 0);
}

#[test]
fn a_trace_without_requests_says_so() {
    let file = file(&story::empty());
    let mut inspector = Inspector::of(file.path(), 80, 24);
    assert!(inspector.screen().contains("there are no requests in this trace"));
    inspector.press("j G e . = - enter y l : '3' enter");
    assert_eq!(inspector.message(), "there is no request #3");
    inspector.press("f 'read' enter");
    assert_eq!(inspector.shown(), 0);
}

#[test]
fn a_trace_that_is_gone_can_be_looked_at_on_but_not_be_filtered() {
    let file = file(&story::trace());
    let mut inspector = Inspector::of(file.path(), 120, 24);
    drop(file);
    inspector.press("G e g");
    assert_eq!(inspector.focused(), 0);
    inspector.press("f 'read' enter");
    let app = &inspector.desk.app;
    let error = app.filtering.applied.as_ref().unwrap().error.clone().unwrap();
    assert!(error.starts_with("cannot open the trace once more"), "{error}");
    inspector.press("backspace");
    assert_eq!(inspector.shown(), REQUESTS);
}

#[test]
fn a_filter_does_not_claim_to_have_seen_what_lies_behind_damage() {
    let file = file(&damaged());
    let mut inspector = Inspector::of(file.path(), 120, 24);
    inspector.press("f 'write' enter");
    let applied = inspector.desk.app.filtering.applied.as_ref().unwrap();
    assert_eq!(applied.error.as_deref(), Some("what lies behind the damage was not looked at"));
    assert!(inspector.screen().contains('~'), "{}", inspector.screen());
}

#[test]
fn what_lies_around_a_request_is_known_in_a_cut_trace_too() {
    let whole = story::trace();
    let file = file(&whole[..whole.len() * 2 / 3]);
    let mut inspector = Inspector::of(file.path(), 120, 40);
    inspector.press("e");
    let screen = inspector.screen();
    assert!(
        screen.contains("before   #87 write") && screen.contains("after    #124 write"),
        "{screen}"
    );
}

#[test]
fn a_screen_may_show_more_chunks_than_are_kept_of_large_ones() {
    let file = file(&native::many_chunks(300));
    let mut inspector = Inspector::of(file.path(), 80, 60);
    inspector.press("G");
    assert_eq!(inspector.focused(), 299);
    let app = &inspector.desk.app;
    let shown = app.requests.on_screen();
    assert!(shown.len() > 30);
    assert!(shown.iter().all(|place| app.requests.row(*place).is_some()));
}

#[test]
fn a_way_behind_damage_is_not_looked_for_without_end() {
    let whole = native::many_chunks(20);
    // Its chunks do not say what is open at their end: a reader that goes behind damage begins before it.
    for place in (whole.len() / 3..whole.len()).step_by(whole.len() / 12) {
        let file = file(&flipped(&whole, place));
        let mut inspector = Inspector::of(file.path(), 80, 24);
        inspector.press("4 6 9 5 2 1");
        assert!(inspector.shown() > 0, "{place}");
    }
}

#[test]
fn every_kept_trace_can_be_walked_through() {
    for name in ["guest", "sessions", "operations", "two-devices", "later", "indexed", "columns"] {
        let name = format!("native/{name}.blkr");
        assert!(!bytes(&name).is_empty());
        let mut inspector = Inspector::of(&path(&name), 80, 24);
        let all = inspector.shown();
        assert!(all > 0, "{name}");
        for at in 0..all {
            assert_eq!(inspector.desk.app.requests.focus(), at, "{name}");
            assert!(inspector.desk.app.requests.focused().is_some(), "{name} at {at}");
            inspector.press("enter f8 q");
        }
    }
}

#[test]
fn a_thread_that_ended_by_a_bug_is_told_and_the_rest_can_still_be_looked_at() {
    let mut inspector = Inspector::new(80, 24);
    let why = "index out of bounds (a.rs:1:2)";
    assert_eq!(inspector.desk.take(Heard::Died(why.to_owned(), Noted::default())), None);
    inspector.press("j");
    let screen = inspector.screen();
    assert!(screen.contains("! a bug ended a part of the inspector: index out of"), "{screen}");
    assert_eq!(inspector.focused(), 1);
    let noted = |path: Option<&str>, error: Option<&str>| Noted {
        path: path.map(PathBuf::from),
        error: error.map(str::to_owned),
    };
    for (noted, said) in [
        (noted(Some("/home/me/inspect.log"), None), "(/home/me/inspect.log has it): index out of"),
        (noted(None, Some("cannot write /x: full")), "(cannot write /x: full): index out of"),
    ] {
        inspector.desk.take(Heard::Died(why.to_owned(), noted));
        inspector.settle();
        let banner: Vec<String> = inspector.screen().lines().take(4).map(str::to_owned).collect();
        let banner = banner.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(banner.contains(said), "{banner}");
    }
}
