//! Raw events of a trace: the lines of `print --events`, both ends of a request, and the way back to requests.

use std::io::Cursor;

use blkreplay_core::event::EventKind;
use blkreplay_core::format::Reader;
use blkreplay_core::request::RequestId;
use blkreplay_fixtures::story::{self, FAILED};
use blkreplay_fixtures::{bytes, path};

use super::Inspector;
use super::growing::{damaged, file};
use crate::action::View;
use crate::app::Effect;
use crate::state::events::Known;

/// The lines of all events, one after the other.
fn lines(inspector: &mut Inspector) -> Vec<String> {
    inspector.press("g");
    let mut lines = Vec::new();
    loop {
        let events = &inspector.desk.app.events;
        lines.push(events.focused().unwrap().text().to_owned());
        if events.focus() + 1 == events.len() {
            return lines;
        }
        inspector.press("j");
    }
}

#[test]
fn events_are_listed_with_the_lines_of_print() {
    for name in ["guest", "operations", "sessions", "guest-blocks"] {
        let mut inspector = Inspector::of(&path(&format!("native/{name}.blkr")), 80, 24);
        inspector.press("%");
        let printed = String::from_utf8(bytes(&format!("native/{name}.events.txt"))).unwrap();
        let printed: Vec<_> = printed.lines().skip(1).collect();
        assert_eq!(lines(&mut inspector), printed, "{name}");
    }
}

#[test]
fn there_are_as_many_events_as_the_reader_reads_over_several_pages() {
    let trace = story::released();
    let mut reader = Reader::open(Cursor::new(trace.clone())).unwrap();
    let mut read = 0;
    while reader.next_event().unwrap().is_some() {
        read += 1;
    }
    let file = file(&trace);
    let mut inspector = Inspector::of(file.path(), 80, 24);
    inspector.press("% G");
    let events = &inspector.desk.app.events;
    assert_eq!(events.len(), read);
    assert_eq!(events.focused().unwrap().kind, "end");
    assert_eq!(events.focus() + 1, read);
}

#[test]
fn events_begin_at_the_focused_request_and_the_sign_goes_from_one_end_to_the_other() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("e %");
    let app = &inspector.desk.app;
    let issue = app.events.focused().unwrap();
    assert_eq!((issue.kind, issue.request.unwrap().0.0), ("issue", FAILED));
    let index = issue.index;
    inspector.press("%");
    let block = inspector.desk.app.events.focused().unwrap();
    assert_eq!((block.kind, block.request.unwrap().0.0), ("block", FAILED));
    assert!(block.failed && block.index > index, "{block:?}");
    let line = inspector.screen().lines().find(|line| line.starts_with('>')).unwrap().to_owned();
    assert!(line.contains("EIO") && line.ends_with('!'), "{line}");
    inspector.press("%");
    assert_eq!(inspector.desk.app.events.focus(), index);
    inspector.press("G %");
    assert_eq!(inspector.message(), "this event is no end of a request");
}

#[test]
fn one_and_escape_go_back_to_the_request_of_the_event() {
    for (keys, id) in [("e % esc", FAILED), ("e % % 1", FAILED), ("e % k enter", FAILED - 1)] {
        let mut inspector = Inspector::new(100, 30);
        inspector.press(keys);
        assert!(!inspector.desk.app.lists_events(), "{keys}");
        assert_eq!(inspector.focused(), id, "{keys}");
    }
    let mut inspector = Inspector::new(100, 30);
    inspector.press("e % j j");
    let other = inspector.desk.app.events.focused().unwrap().request.unwrap().0.0;
    inspector.press("6");
    assert_eq!(inspector.desk.app.view, View::Epochs);
    assert_eq!(inspector.focused(), other, "other views show the request of the event");
    inspector.press("%");
    assert_eq!(
        inspector.message(),
        "% shows events of the focused request in the list, which 1 shows"
    );
    inspector.press("1 % f");
    assert!(inspector.desk.app.over.is_some());
    inspector.press("esc e");
    assert_eq!(inspector.message(), "this is about requests; 1 goes back to them");
    assert_eq!(inspector.press("q"), None, "it goes back");
    assert_eq!(inspector.press("q"), Some(Effect::Quit));
}

#[test]
fn an_event_is_copied_as_its_line_and_as_the_command_that_prints_it() {
    let mut inspector = Inspector::of(&path("native/sessions.blkr"), 80, 24);
    inspector.press("% : 'event:13' enter");
    let line = "     13   0.002532 checkpoint controller".to_owned();
    assert_eq!(inspector.press("y l"), Some(Effect::Copy(line)));
    let command = "blkreplay print boot.blkr --events --at event:13 -n 1".to_owned();
    assert_eq!(inspector.press("y c"), Some(Effect::Copy(command)));
    assert_eq!(inspector.press("y q"), None);
    assert_eq!(inspector.message(), "of an event its line and its command are copied: y l, y c");
    inspector.press(": 'event:99' enter");
    assert_eq!(inspector.desk.app.events.focus(), 32);
    assert_eq!(inspector.message(), "there are not so many events; this is the last that is known");
    inspector.press(": '50%' enter");
    assert_eq!(inspector.desk.app.events.focus(), 16);
    inspector.press(": '#5' enter");
    assert!(!inspector.desk.app.lists_events(), "a request is in the list of requests");
    assert_eq!(inspector.focused(), 5);
}

/// The event and the id of the last request of a trace that is not completed in it.
fn open_at_end(trace: &[u8]) -> Option<(u64, RequestId)> {
    let mut open = None;
    let mut reader = Reader::open(Cursor::new(trace)).ok()?;
    while let Some((index, event)) = reader.next_event().unwrap() {
        match event.kind {
            EventKind::Issue(issue) => open = Some((index, issue.id)),
            EventKind::Block(block) => open = open.filter(|(_, id)| *id != block.id),
            _ => {}
        }
    }
    open
}

#[test]
fn a_request_that_is_never_completed_and_events_that_are_damaged_are_told() {
    let whole = story::trace();
    let mut parts = (1..20).map(|part| &whole[..whole.len() * part / 20]);
    let (cut, (index, id)) = parts.find_map(|cut| Some((cut, open_at_end(cut)?))).unwrap();
    let cut = file(cut);
    let mut inspector = Inspector::of(cut.path(), 80, 24);
    inspector.press(&format!("% : 'event:{index}' enter %"));
    assert_eq!(inspector.message(), format!("{id} is not completed in this trace"));
    assert_eq!(inspector.desk.app.events.focus(), index);

    let damaged = file(&damaged());
    let mut inspector = Inspector::of(damaged.path(), 80, 40);
    inspector.press("% G");
    let app = &inspector.desk.app;
    assert_eq!(app.events.focused().unwrap().kind, "end", "what lies behind is there");
    let lost: Vec<u64> = (0..app.events.len())
        .filter(|index| matches!(app.events.at(*index), Known::Lost(_)))
        .collect();
    assert!(!lost.is_empty() && (lost.len() as u64) < app.events.len(), "{lost:?}");
    let (first, behind) = (lost[0], lost[lost.len() - 1] + 1);
    inspector.press(&format!(": 'event:{first}' enter"));
    let screen = inspector.screen();
    let line = screen.lines().find(|line| line.starts_with('>')).unwrap();
    assert!(line.contains("cannot be read: the trace is damaged"), "{line}");
    inspector.press("y l");
    assert_eq!(inspector.message(), "this event was not read");
    inspector.press(&format!(": 'event:{behind}' enter"));
    assert!(inspector.desk.app.events.focused().is_some());
}

#[test]
fn an_empty_trace_has_the_event_that_ends_it_and_a_small_screen_shows_something() {
    let empty = file(&story::empty());
    let mut inspector = Inspector::of(empty.path(), 80, 24);
    inspector.press("% j G g");
    assert_eq!(lines(&mut inspector).len(), 1);
    for (width, height) in [(1, 1), (0, 0), (3, 2), (17, 5), (300, 100)] {
        inspector.terminal.backend_mut().resize(width, height);
        inspector.press("G g j %");
    }
}
