//! Keys in; focus, filter and what is copied out.

use blkreplay_core::query::Filter;

use blkreplay_fixtures::story::{BEFORE, FAILED, REQUESTS, RETRY};

use super::Inspector;
use crate::app::{Effect, Over};
use crate::around::{Found, Likeness};
use crate::keymap::BINDINGS;
use crate::state::cell::Cell;

fn inspector() -> Inspector {
    Inspector::new(100, 30)
}

#[test]
fn the_focus_goes_where_keys_of_less_and_vim_take_it() {
    let mut inspector = inspector();
    assert_eq!(inspector.shown(), REQUESTS);
    let list = inspector.desk.app.requests.on_screen().len() as u64;
    for (keys, at) in [
        ("j", 1),
        ("down down", 3),
        ("k", 2),
        ("up up up up", 0),
        ("space", list),
        ("b", 0),
        ("pgdn ctrl-d", list + list / 2),
        ("ctrl-u pgup", 0),
        ("G", REQUESTS - 1),
        ("j", REQUESTS - 1),
        ("home", 0),
        ("end", REQUESTS - 1),
        ("g", 0),
    ] {
        inspector.press(keys);
        assert_eq!(inspector.focused(), at, "{keys}");
        let shown = inspector.desk.app.requests.on_screen();
        assert!(shown.contains(&at), "{keys}: {shown:?}");
    }
}

#[test]
fn a_person_finds_the_write_that_failed_who_wrote_there_before_and_who_again() {
    let mut inspector = inspector();
    inspector.press("e");
    assert_eq!(inspector.focused(), FAILED);
    inspector.press(",");
    assert_eq!(inspector.focused(), BEFORE);
    inspector.press(", ");
    assert_eq!(inspector.message(), "no earlier request touches this range");
    inspector.press(". .");
    assert_eq!(inspector.focused(), RETRY);
    inspector.press("e");
    assert_eq!(inspector.message(), "no request behind this one failed");
    inspector.press("E");
    assert_eq!(inspector.focused(), FAILED);
    inspector.press("g l l l l l");
    assert_eq!(inspector.desk.app.cell, Cell::Epoch);
}

#[test]
fn it_goes_to_a_request_a_time_and_the_end_and_not_where_there_is_none() {
    let mut inspector = inspector();
    for (text, id) in [("#300", 300), ("17", 17), ("40ms", 100), ("end", REQUESTS - 1), ("0s", 0)] {
        inspector.press(&format!(": '{text}' enter"));
        assert_eq!(inspector.focused(), id, "{text}");
        assert_eq!(inspector.message(), "");
    }
    inspector.press(": '#600' enter");
    assert_eq!(inspector.message(), "there is no request #600");
    inspector.press(": '12' esc");
    assert_eq!(inspector.focused(), 0);
    assert!(inspector.desk.app.over.is_none());
}

#[test]
fn a_filter_shows_what_it_means_and_the_focus_stays_as_near_as_it_can() {
    let mut inspector = inspector();
    inspector.press(": '125' enter f 'op == flush' enter");
    assert_eq!(inspector.shown(), REQUESTS / 10);
    assert_eq!(inspector.focused(), 129, "the nearest behind it");
    inspector.press("j");
    assert_eq!(inspector.focused(), 139);
    inspector.press("g");
    assert_eq!(inspector.focused(), 9);
    inspector.press("G");
    assert_eq!(inspector.focused(), 599);
    inspector.press("backspace");
    assert_eq!((inspector.shown(), inspector.focused()), (REQUESTS, 599));
    inspector.press("backspace");
    assert_eq!(inspector.message(), "there is no filter; f writes one");
}

#[test]
fn filters_find_what_they_find_in_rows_whether_columns_know_it_or_not() {
    for text in [
        "op == write && lat > 200us",
        "err == EIO",
        "lat > p99(lat)",
        "payload[0:2] == 79:79",
        "seek == 0",
        "off overlaps 128k..129k",
        "id in 250..=260",
    ] {
        let mut inspector = inspector();
        inspector.press(&format!("f '{text}' enter"));
        let app = &inspector.desk.app;
        let Some(applied) = &app.filtering.applied else { panic!("{text} is no filter") };
        assert_eq!(applied.error, None, "{text}");
        assert!(applied.is_done, "{text}");
        let found = applied.found.len();
        assert!(found > 0 && found < REQUESTS / 2, "{text}: {found}");
        // Every row on the screen is one that is meant, where a row alone can say it.
        let filter = Filter::of(text, &app.header).unwrap();
        let needs = filter.needs();
        if !needs.first_pass && !needs.data && !needs.context {
            for place in app.requests.on_screen() {
                let row = app.requests.row(place);
                let row = row.unwrap_or_else(|| panic!("{text}: nothing at {place}"));
                assert!(filter.matches(row), "{text}: {row:?}");
            }
        }
    }
}

#[test]
fn what_is_no_filter_stays_to_be_mended_and_says_what_is_wrong() {
    let mut inspector = inspector();
    inspector.press("f 'op = write' enter");
    assert!(matches!(inspector.desk.app.over, Some(Over::Filter(_))));
    assert!(inspector.screen().contains("no filter yet"), "{}", inspector.screen());
    inspector.press("ctrl-u 'lenght > 4k' enter");
    assert!(inspector.screen().contains("lenght"), "{}", inspector.screen());
    inspector.press("esc");
    assert_eq!(inspector.shown(), REQUESTS);
}

#[test]
fn names_are_completed_and_older_filters_come_back() {
    let mut inspector = inspector();
    inspector.press("f 'op == writ' tab");
    let Some(Over::Filter(line)) = &inspector.desk.app.over else { panic!() };
    assert_eq!(line.text(), "op == write");
    assert_eq!(line.completions(), ["write_zeroes"]);
    inspector.press("enter f ctrl-u 'fua' enter f ctrl-u 'x' up");
    let Some(Over::Filter(line)) = &inspector.desk.app.over else { panic!() };
    assert_eq!(line.text(), "fua");
    inspector.press("up up");
    let Some(Over::Filter(line)) = &inspector.desk.app.over else { panic!() };
    assert_eq!(line.text(), "op == write");
    inspector.press("down down");
    let Some(Over::Filter(line)) = &inspector.desk.app.over else { panic!() };
    assert_eq!(line.text(), "x");
}

#[test]
fn every_value_of_the_list_can_become_a_filter_that_its_request_passes_and_one_that_it_does_not() {
    let mut inspector = inspector();
    for id in [3, 5, 9, BEFORE, FAILED] {
        inspector.press(&format!(": '{id}' enter"));
        let app = &inspector.desk.app;
        let row = app.requests.focused().unwrap();
        for cell in Cell::ALL {
            let Some(term) = cell.term(row, &app.header) else {
                let may_lack = [Cell::Offset, Cell::End, Cell::Lba, Cell::Length, Cell::Payload];
                assert!(may_lack.contains(&cell), "{cell:?} of #{id}");
                continue;
            };
            let holds = |text: &str| {
                let filter = Filter::of(text, &app.header);
                filter.unwrap_or_else(|error| panic!("{}", error.shown(text))).matches(row)
            };
            let without = cell.term_without(row, &app.header).unwrap();
            assert!(holds(&term), "{term} of #{id}");
            assert!(!holds(&without), "{without} of #{id}");
        }
    }
}

#[test]
fn values_are_filtered_by_one_after_the_other_and_taken_back() {
    let mut inspector = inspector();
    inspector.press("e =");
    assert_eq!(inspector.desk.app.filtering.text(), "op == write");
    inspector.press("l l l l l l l =");
    assert_eq!(inspector.desk.app.filtering.text(), "op == write && result == EIO");
    assert_eq!((inspector.shown(), inspector.focused()), (1, FAILED));
    inspector.press("=");
    assert_eq!(inspector.desk.app.filtering.text(), "op == write && result == EIO");
    inspector.press("backspace minus");
    assert_eq!(inspector.desk.app.filtering.text(), "op == write && result != EIO");
    assert_ne!(inspector.focused(), FAILED);
    inspector.press("backspace backspace f 'read or flush' enter h h h h h h h h h minus");
    assert_eq!(inspector.desk.app.filtering.text(), "(read or flush) && t < 51600us");
}

#[test]
fn what_is_left_of_a_filter_means_what_it_meant_before() {
    let mut inspector = inspector();
    inspector.press("f '(read or flush) && t < 100ms && id > 7' enter backspace");
    assert_eq!(inspector.desk.app.filtering.text(), "(read or flush) && t < 100ms");
}

#[test]
fn what_is_copied_is_what_was_asked_for() {
    let mut inspector = inspector();
    let copied = |inspector: &mut Inspector, keys| match inspector.press(keys) {
        Some(Effect::Copy(text)) => text,
        other => panic!("{keys}: {other:?}"),
    };
    inspector.press("e");
    assert_eq!(copied(&mut inspector, "y c"), "blkreplay print boot.blkr -f 'id == 121'");
    assert_eq!(copied(&mut inspector, "y q"), "write -f 135266304 4096");
    let line = copied(&mut inspector, "y l");
    assert!(line.starts_with("#121 0.048400 write 135266304+4096 fua EIO"), "{line}");
    assert!(inspector.message().contains("OSC 52"));
    assert_eq!(inspector.press("y f"), None);
    assert_eq!(inspector.message(), "there is no filter to copy");
    inspector.press("=");
    assert_eq!(copied(&mut inspector, "y f"), "op == write");
}

#[test]
fn q_closes_what_is_open_and_then_quits_and_esc_never_quits() {
    let mut inspector = inspector();
    assert_eq!(inspector.press("enter q"), None);
    assert_eq!(inspector.press("? esc"), None);
    assert_eq!(inspector.press("esc esc"), None);
    assert_eq!(inspector.press("q"), Some(Effect::Quit));
    assert_eq!(inspector.press("Q"), Some(Effect::Quit));
    assert_eq!(inspector.press("? ctrl-c"), Some(Effect::Quit));
    assert_eq!(inspector.press("ctrl-z"), Some(Effect::Suspend));
    assert_eq!(inspector.press("ctrl-l"), Some(Effect::Redraw));
}

#[test]
fn the_book_lists_exactly_the_keys_that_do_something() {
    let book = include_str!("../../../book/src/inspect.md");
    let (_, table) = book.split_once("## Keys\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let expected = BINDINGS.iter().map(|binding| {
        let keys: Vec<String> = binding.keys.iter().map(|key| format!("`{key}`")).collect();
        let [keys, help] = [&keys.join(" "), binding.help].map(|text| text.replace('|', "\\|"));
        format!("| {keys} | {help} |")
    });
    assert!(rows.eq(expected), "the table of keys in book/src/inspect.md is not that of keymap.rs");
}

#[test]
fn a_request_says_who_wrote_there_before_who_comes_next_and_how_their_data_differ() {
    let mut inspector = inspector();
    inspector.press("e");
    let around = inspector.desk.app.around().unwrap();
    let Found::Neighbour(before) = &around.before else { panic!("{around:?}") };
    assert_eq!((before.row.id.0, before.is_same_range), (BEFORE, true));
    assert_eq!(before.likeness, Likeness::Differs(4096, 4096, 0..4096));
    let Found::Neighbour(after) = &around.after else { panic!("{around:?}") };
    assert_eq!((after.row.id.0, &after.likeness), (RETRY, &Likeness::Same));
    inspector.press(&format!(": '{BEFORE}' enter"));
    let around = inspector.desk.app.around().unwrap();
    assert_eq!(around.before, Found::Nothing);
    inspector.press(": '9' enter");
    let around = inspector.desk.app.around().unwrap();
    assert_eq!((&around.before, &around.after), (&Found::Nothing, &Found::Nothing), "a flush");
}
