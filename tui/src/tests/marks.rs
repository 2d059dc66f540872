//! Marks: set, gone to, shown alone, and drawn.

use blkreplay_fixtures::story::REQUESTS;
use snapbox::{Data, assert_data_eq, file};

use super::Inspector;
use crate::key::Key;

/// Requests 300, 20 and 550 are marked a, b and z.
fn marked(width: u16, height: u16) -> Inspector {
    let mut inspector = Inspector::new(width, height);
    for (id, letter) in [(300, 'a'), (20, 'b'), (550, 'z')] {
        inspector.press(&format!(": '{id}' enter m {letter}"));
        assert_eq!(inspector.message(), format!("#{id} is marked {letter}"));
    }
    inspector
}

/// Presses the quote, which begins a text elsewhere in tests, and another key.
fn quote(inspector: &mut Inspector, key: &str) {
    inspector.desk.app.press(Key::char('\''));
    inspector.settle();
    inspector.press(key);
}

#[test]
fn a_letter_marks_a_request_and_leads_back_to_it() {
    let mut inspector = marked(100, 30);
    for (letter, id) in [("a", 300), ("b", 20), ("z", 550)] {
        quote(&mut inspector, letter);
        assert_eq!((inspector.focused(), inspector.message()), (id, ""));
    }
    inspector.press(": 'mark a' enter");
    assert_eq!(inspector.focused(), 300);
    inspector.press("m a");
    assert_eq!(inspector.message(), "#300 is no longer marked a");
    quote(&mut inspector, "a");
    assert_eq!(inspector.message(), "there is no mark a; m a sets it");
    inspector.press("j m b");
    quote(&mut inspector, "z");
    quote(&mut inspector, "b");
    assert_eq!(inspector.focused(), 301, "a letter marks one request");
}

#[test]
fn only_a_letter_is_a_mark_and_esc_leaves_it() {
    let mut inspector = marked(100, 30);
    for key in ["A", "1", "enter", "ctrl-a", "é"] {
        inspector.press("m");
        inspector.press(key);
        assert_eq!(
            inspector.message(),
            format!("`{key}` is no mark; a mark is a letter from a to z")
        );
    }
    inspector.press("m esc j");
    assert_eq!((inspector.focused(), inspector.message()), (551, ""));
}

#[test]
fn the_next_mark_and_the_one_before_are_those_of_what_is_shown() {
    let mut inspector = marked(100, 30);
    inspector.press("g");
    for id in [20, 300, 550] {
        inspector.press("u");
        assert_eq!(inspector.focused(), id);
    }
    assert_eq!(inspector.message(), "mark z");
    inspector.press("u");
    assert_eq!(inspector.message(), "there is no mark behind this request");
    inspector.press("U U");
    assert_eq!(inspector.focused(), 20);
    inspector.press("f 'id != 300' enter u");
    assert_eq!(inspector.focused(), 550);
    quote(&mut inspector, "a");
    assert_eq!(inspector.message(), "a is #300, which the filter leaves out; this is the nearest");
    assert_eq!(inspector.focused(), 301);
}

#[test]
fn what_is_marked_is_shown_alone_and_then_what_was_shown_before() {
    let mut inspector = marked(100, 30);
    inspector.press("f 'write' enter");
    let writes = inspector.shown();
    inspector.press("M");
    assert_eq!(inspector.desk.app.filtering.text(), "id in {20, 300, 550}");
    assert_eq!(inspector.shown(), 3);
    inspector.press("M");
    assert_eq!((inspector.desk.app.filtering.text(), inspector.shown()), ("write", writes));
    inspector.press("backspace M M");
    assert_eq!(inspector.shown(), REQUESTS);
}

#[test]
fn what_was_shown_before_comes_back_though_marks_were_changed_meanwhile() {
    let mut inspector = marked(100, 30);
    inspector.press("f 'write' enter M g m b M");
    assert_eq!(inspector.desk.app.filtering.text(), "id in {300, 550}");
    inspector.press("M");
    assert_eq!(inspector.desk.app.filtering.text(), "write");
    inspector.press("f ctrl-u 'id in {300, 550}' enter M");
    assert_eq!(inspector.desk.app.filtering.text(), "", "it was written, and nothing was before");
}

#[test]
fn without_marks_it_says_which_key_sets_one() {
    let mut inspector = Inspector::new(100, 30);
    for key in ["u", "U", "M"] {
        inspector.press(key);
        assert_eq!(inspector.message(), "nothing is marked; m does");
    }
    inspector.press("m");
    assert!(inspector.screen().contains("marks: none yet"), "{}", inspector.screen());
}

#[track_caller]
fn looks_like(expected: Data, (width, height): (u16, u16), keys: &str) {
    let mut inspector = marked(width, height);
    inspector.press(keys);
    assert_data_eq!(inspector.screen(), expected.raw());
}

#[test]
fn marks_stand_before_their_requests_and_below_while_a_letter_is_waited_for() {
    looks_like(file!["screens/marks-80x24.txt"], (80, 24), "g : '22' enter m");
    looks_like(file!["screens/marks-40x10.txt"], (40, 10), "M k");
}

#[test]
fn what_is_written_behind_a_colon_is_offered_names() {
    looks_like(file!["screens/going-80x24.txt"], (80, 24), ": 'co'");
    looks_like(file!["screens/going-40x10.txt"], (40, 10), ": 'm'");
}
