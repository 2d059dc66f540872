//! Going to places and running commands that are written behind `:`.

use blkreplay_core::open;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::{Row, Rows};
use blkreplay_fixtures::path;
use blkreplay_fixtures::story::{self, BEFORE, FAILED, REQUESTS};

use super::Inspector;
use super::growing::{damaged, file};
use crate::action::View;
use crate::app::{Effect, Over};
use crate::keymap::BINDINGS;
use crate::opened::{Begin, Opened};

/// The place of the first request that a filter means, in a loop over all rows.
fn first(text: &str, from: u64) -> u64 {
    let file = file(&story::trace());
    let reader = open::trace(file.path()).unwrap();
    let filter = Filter::of(text, reader.header()).unwrap();
    let mut rows = Rows::new(reader);
    let all: Vec<Row> = std::iter::from_fn(|| rows.next_row().unwrap()).collect();
    let meant = (0..).zip(&all).skip_while(|(place, _)| *place < from);
    meant.into_iter().find(|(_, row)| filter.matches(*row)).unwrap().0
}

#[test]
fn it_goes_wherever_one_can_be() {
    let mut inspector = Inspector::new(100, 30);
    for (text, expected) in [
        ("300", 300),
        ("#17", 17),
        ("50%", REQUESTS / 2),
        ("100%", REQUESTS - 1),
        ("0%", 0),
        ("@0.1s", first("t >= 100ms", 0)),
        ("@00:00:00.2", first("t >= 200ms", 0)),
        ("epoch 11", first("epoch == 11", 0)),
        ("begin", 0),
        ("off 135266304", BEFORE),
        ("lba 264192", FAILED),
        ("flush", first("flush", FAILED)),
        ("flush 3", 29),
        ("flush:4", 39),
        ("event:0", 0),
        ("end", REQUESTS - 1),
        ("off 129M", BEFORE),
    ] {
        inspector.press(&format!(": '{text}' enter"));
        assert_eq!(inspector.focused(), expected, "{text}");
        let wrapped = "went over the end, on from the beginning";
        assert_eq!(inspector.message(), if text == "off 129M" { wrapped } else { "" }, "{text}");
    }
}

#[test]
fn a_time_is_found_exactly_wherever_its_page_is_and_whatever_is_shown() {
    for time in ["1us", "77ms", "119.6ms", "120ms", "0.15s", "238ms"] {
        let expected = first(&format!("t >= {time}"), 0);
        let mut inspector = Inspector::new(100, 30);
        inspector.press(&format!(": '{time}' enter"));
        assert_eq!(inspector.focused(), expected, "{time}");
        inspector.press(&format!("g f 'write' enter : '@{time}' enter"));
        let expected = first(&format!("write && t >= {time}"), 0);
        assert_eq!(inspector.focused(), expected, "{time} of writes");
    }
}

#[test]
fn a_request_is_found_by_its_id_where_ids_have_gaps_and_some_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("part.blkr");
    let mut whole = Inspector::new(100, 30);
    whole.press(&format!("f 'op != flush && id % 3 != 1' enter > '{}' enter", path.display()));
    // With a filter from the beginning no page is read as a whole.
    let filter = Some("id > 100 && id != 500".to_owned());
    let begin = Begin { filter, ..Begin::default() };
    let opened = Opened { begin, ..Inspector::opened(&path, "part.blkr") };
    let mut inspector = Inspector::at(opened, 100, 30);
    for (keys, id) in [("", 402), ("", 108), ("O", 311), ("O", 297)] {
        inspector.press(&format!("{keys} : '{id}' enter"));
        assert_eq!((inspector.focused(), inspector.message()), (id, ""));
    }
    inspector.press(": '500' enter");
    let left_out = "#500 is left out by the filter; this is the nearest that is not";
    assert_eq!((inspector.message(), inspector.focused()), (left_out, 501));
    inspector.press(": '301' enter");
    assert_eq!(inspector.message(), "there is no request #301");
}

#[test]
fn what_lies_behind_damage_is_not_called_missing() {
    let file = file(&damaged());
    let mut reader = open::trace(file.path()).unwrap();
    while reader.next_event().unwrap().is_some() {}
    let at = reader.loss().unwrap().events;
    let mut inspector = Inspector::of(file.path(), 300, 30);
    inspector.press(&format!(": 'event:{at}' enter"));
    let said =
        format!("the trace has no event:{at}, as far as the trace is whole: the trace is damaged");
    assert!(inspector.message().starts_with(&said), "{}", inspector.message());
    assert_eq!(inspector.desk.app.requests.focus(), 0);
}

#[test]
fn marks_of_the_trace_are_gone_to_and_offered() {
    let mut inspector = Inspector::of(&path("native/sessions.blkr"), 100, 30);
    inspector.press("G : 'mark formatted' enter");
    assert_eq!((inspector.focused(), inspector.message()), (0, ""));
    inspector.press("G : 'mark b'");
    assert!(
        inspector.screen().contains("tab: mark before fsck: größe/2"),
        "{}",
        inspector.screen()
    );
    inspector.press("tab enter");
    assert_eq!((inspector.focused(), inspector.message()), (0, ""));
    inspector.press(": 'mark nothing' enter");
    assert_eq!(inspector.message(), "the trace has no mark `nothing`, and no letter does");
    // The flush that fails was the first to be released.
    inspector.press(": 'flush 1' enter");
    assert_eq!(inspector.focused(), 3);
    inspector.press(": 'flush 2' enter");
    assert_eq!(inspector.message(), "the trace has no flush:2");
    inspector.press(": 'step 1' enter");
    assert_eq!(inspector.focused(), 4);
}

#[test]
fn where_one_cannot_go_is_said_with_what_works() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press(": '17' enter");
    for (text, said) in [
        ("nowhere", "`nowhere` is no place and no command; places: 1214, 1.2s, "),
        ("#600", "there is no request #600"),
        ("12x", "`12x` is no time; "),
        ("101%", "`101%` is not from 0% to 100%"),
        ("lba", "`lba` needs a number: lba 264192"),
        ("epoch x", "`epoch` needs a number"),
        ("off 200M", "no request touches byte 209715200"),
        ("epoch 900", "there is no request in epoch 900"),
        ("@25:61:00", "`@25:61:00` is no time of the day"),
        ("flush 900", "the trace has no flush:900"),
        ("mark z", "the trace has no mark `z`"),
        ("next", "`next` may be next-error, next-finding, "),
        ("next-error 3", "`next-error` takes nothing"),
        ("q 3", "`q` takes nothing"),
        ("view nothing", "`nothing` is no view; requests, map, "),
        ("filter op = write", "`=` cannot stand here"),
    ] {
        inspector.press(&format!(": '{text}' enter"));
        let message = inspector.message();
        assert!(message.contains(said), "{text}: {message}");
        assert_eq!(inspector.focused(), 17, "{text}");
    }
    inspector.press("f 'read' enter : '121' enter");
    assert!(inspector.message().starts_with("#121 is left out by the filter"));
    inspector.press(": 'epoch 3' enter");
    assert!(inspector.message().contains("in epoch 3 is left out by the filter"));
}

#[test]
fn every_key_has_a_command_that_does_the_same() {
    for binding in BINDINGS {
        let mut typed = Inspector::new(100, 30);
        let mut pressed = Inspector::new(100, 30);
        let one = typed.press(&format!(": '{}' enter", binding.name));
        let other = pressed.press(binding.keys[0]);
        assert_eq!(one, other, "{}", binding.name);
        let state = |inspector: &Inspector| {
            let app = &inspector.desk.app;
            (app.requests.focus(), app.view, app.filtering.text().to_owned(), app.over.is_some())
        };
        assert_eq!(state(&typed), state(&pressed), "{}", binding.name);
    }
}

#[test]
fn commands_are_run_by_name_by_what_begins_it_and_by_its_letters() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press(": 'next-error' enter");
    assert_eq!(inspector.focused(), FAILED);
    inspector.press(": 'prev-nothing' enter");
    assert_eq!(inspector.focused(), FAILED);
    inspector.press(": 'nxtsame' enter");
    assert_eq!(inspector.focused(), story::RETRY);
    inspector.press(": 'filter op == flush' enter");
    assert_eq!(inspector.shown(), REQUESTS / 10);
    inspector.press(": 'filter' enter");
    assert!(matches!(inspector.desk.app.over, Some(Over::Filter(_))));
    inspector.press("esc : 'search 900us' enter");
    assert_eq!(inspector.message(), "");
    inspector.press(": 'view m' tab enter");
    assert_eq!(inspector.desk.app.view, View::Map);
    inspector.press(": 'view 5' enter");
    assert_eq!(inspector.desk.app.view, View::Stats);
    inspector.press(": 'help' enter");
    assert!(matches!(inspector.desk.app.over, Some(Over::Help(_))));
    assert_eq!(inspector.press("esc : 'q' enter"), Some(Effect::Quit));
}

#[test]
fn what_is_written_is_completed_and_comes_back() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press(": 'next-e'");
    let last = |inspector: &Inspector| inspector.screen().lines().last().unwrap().to_owned();
    assert_eq!(last(&inspector), " : next-e   tab: next-error");
    inspector.press("tab");
    assert_eq!(last(&inspector), " : next-error");
    inspector.press("enter : '300' enter : up");
    assert_eq!(last(&inspector), " : 300");
    inspector.press("up");
    assert_eq!(last(&inspector), " : next-error");
    inspector.press("down down");
    assert!(last(&inspector).starts_with(" :    tab: "), "{}", last(&inspector));
    inspector.press("esc : enter");
    assert_eq!((inspector.focused(), inspector.message()), (300, ""));
}

#[test]
fn on_the_way_it_says_where_to_and_esc_or_a_move_ends_it() {
    for end in ["esc", "j"] {
        let mut inspector = Inspector::new(100, 30);
        for key in ": e p o c h space 9 enter".split(' ') {
            inspector.desk.app.press(key.parse().unwrap());
        }
        let said = inspector.desk.app.on_the_way();
        assert_eq!(said.as_deref(), Some("looking for the first in epoch 9: 0 %"));
        inspector.desk.wish();
        inspector.desk.app.press(end.parse().unwrap());
        inspector.settle();
        assert_eq!(inspector.focused(), u64::from(end == "j"));
    }
}

#[test]
fn a_trace_that_is_gone_says_that_it_cannot_look_for_a_place() {
    let file = file(&story::trace());
    let mut inspector = Inspector::of(file.path(), 120, 24);
    drop(file);
    for text in ["epoch 3", "flush 3", "mark x"] {
        inspector.press(&format!(": '{text}' enter"));
        assert!(inspector.desk.app.message.as_ref().is_some_and(|message| message.is_error));
        assert_eq!(inspector.focused(), 0, "{text}");
    }
}
