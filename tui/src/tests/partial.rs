//! What is said, and kept, while a filter still finds more: nothing that it may find passes for left out.

use std::time::Duration;

use blkreplay_fixtures::story::{self, FAILED};

use super::Inspector;
use crate::action::View;
use crate::loader::Told;
use crate::outline::Outlined;
use crate::search::Ended;
use crate::sieve::Sifted;

/// The inspector with a filter that looked at ten requests, and found the third of all.
fn looking() -> Inspector {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("e m a");
    type_keys(&mut inspector, "f w r i t e enter");
    let number = inspector.desk.app.filtering.number();
    inspector.desk.app.sifted(Sifted {
        number,
        found: vec![2],
        again: None,
        wrong: Vec::new(),
        done: 10,
        is_first_pass: false,
        is_done: false,
        error: None,
        took: Duration::ZERO,
    });
    inspector
}

/// Presses keys, and nothing is read meanwhile.
fn type_keys(inspector: &mut Inspector, keys: &str) {
    for key in keys.split(' ') {
        inspector.desk.app.press(key.parse().unwrap());
    }
}

#[test]
fn what_the_filter_has_not_looked_at_is_not_called_left_out() {
    let mut inspector = looking();
    type_keys(&mut inspector, ": 3 0 0 enter");
    let not_yet = "the filter has not got to #300; this is the nearest that it found";
    assert_eq!(inspector.message(), not_yet);
    type_keys(&mut inspector, ": 7 enter");
    let left_out = "#7 is left out by the filter; this is the nearest that is not";
    assert_eq!(inspector.message(), left_out);
    type_keys(&mut inspector, "' a");
    let mark = format!("the filter has not got to a, #{FAILED}; this is the nearest that it found");
    assert_eq!(inspector.message(), mark);
    // It is there once it was found.
    inspector.settle();
    assert_eq!(inspector.focused(), FAILED);
}

#[test]
fn there_is_nothing_more_is_not_said_before_the_filter_has_found_all() {
    let mut inspector = looking();
    inspector.desk.app.requests.go(0);
    type_keys(&mut inspector, "U");
    let none = "there is no mark before this request, so far: the filter still finds more";
    assert_eq!(inspector.message(), none);
}

#[test]
fn a_search_in_what_a_filter_had_found_says_so() {
    let mut inspector = looking();
    inspector.desk.app.requests.go(2);
    type_keys(&mut inspector, "e");
    let search = inspector.desk.app.wishes().into_iter().find_map(|wish| match wish {
        crate::loader::Wish::Search(search) => Some(search),
        _ => None,
    });
    let number = search.unwrap().number;
    inspector.desk.app.told(Told::Ended(Ended { number, hit: None, unknown: 0, is_short: false }));
    let text =
        "no request behind this one that is shown failed, among those that the filter had found";
    assert_eq!(inspector.message(), text);
}

#[test]
fn findings_wait_for_the_filter_before_they_say_that_there_is_none() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("9");
    type_keys(&mut inspector, "f r e a d enter");
    inspector.terminal.draw(|frame| crate::view::draw(&mut inspector.desk.app, frame)).unwrap();
    assert!(inspector.screen().contains("   the filter goes first"), "{}", inspector.screen());
    assert_eq!(inspector.desk.app.view, View::Findings);
}

#[test]
fn summaries_say_that_none_failed_so_far_as_long_as_they_are_read() {
    let file = super::growing::file(&story::told(story::first(100)));
    let mut inspector = Inspector::of(file.path(), 160, 30);
    type_keys(&mut inspector, "9");
    let draw = |inspector: &mut Inspector| {
        inspector.terminal.draw(|frame| crate::view::draw(&mut inspector.desk.app, frame)).unwrap();
        inspector.screen()
    };
    let screen = draw(&mut inspector);
    assert!(screen.contains("summaries: none failed\n"), "{screen}");
    let outline = std::mem::take(&mut inspector.desk.app.outline);
    let (parts, total) = (outline.parts()[..1].to_vec(), outline.total().clone());
    let outlined = Outlined { parts, total, is_done: false, error: None };
    inspector.desk.app.outline.take(outlined);
    let screen = draw(&mut inspector);
    assert!(screen.contains("summaries: none failed so far\n"), "{screen}");
}

#[test]
fn who_leaves_before_the_filter_has_found_all_comes_back_to_the_same_request() {
    let inspector = looking();
    let session = inspector.desk.app.session();
    assert_eq!((session.filter.as_deref(), session.request), (Some("write"), Some(FAILED)));
    let mut inspector = Inspector::new(100, 30);
    inspector.press("e");
    type_keys(&mut inspector, "f w r i t e enter");
    assert_eq!(inspector.shown(), 0);
    assert_eq!(inspector.desk.app.session().request, Some(FAILED));
    // Before it is known where requests lie.
    let file = super::growing::file(&story::trace());
    let mut desk = crate::desk::Desk::new(Inspector::opened(file.path(), "boot.blkr")).unwrap();
    desk.app.go_on_in(&session);
    assert_eq!(desk.app.session(), session);
}
