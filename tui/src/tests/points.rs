//! A, B and the selection: what lies between them, held against a loop over all rows, and the filters that they make.

use blkreplay_core::format::Reader;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::Rows;
use blkreplay_core::units::Size;
use blkreplay_fixtures::damage::flipped;
use blkreplay_fixtures::native;
use blkreplay_fixtures::story::{self, REQUESTS};
use snapbox::file;
use std::io::Cursor;

use super::Inspector;
use super::growing::file as kept;
use super::screens::looks_like;
use crate::words;

/// How many requests from one place to another a filter means, and how many bytes they ask for.
fn between(first: u64, last: u64, filter: &str) -> (u64, u64) {
    let reader = Reader::open(Cursor::new(story::trace())).unwrap();
    let filter = Filter::of(filter, reader.header()).unwrap();
    let mut rows = Rows::new(reader);
    let all = std::iter::from_fn(|| rows.next_row().unwrap());
    let meant =
        (0..).zip(all).filter(|(place, row)| (first..=last).contains(place) && filter.matches(row));
    meant.fold((0, 0), |(count, bytes), (_, row)| (count + 1, bytes + row.request.range.length))
}

fn said(count: u64, bytes: u64) -> String {
    format!("{} requests  {}", words::count(count), Size(bytes))
}

#[test]
fn from_a_to_b_it_says_how_long_how_many_and_how_many_bytes() {
    for (a, b) in [(17, 300), (300, 17), (0, 599), (20, 21)] {
        let mut inspector = Inspector::new(120, 30);
        inspector.press(&format!(": '{a}' enter [ : '{b}' enter ]"));
        assert_eq!(inspector.message(), format!("B is #{b}"));
        let (count, bytes) = between(a.min(b), a.max(b), "id >= 0");
        let screen = inspector.screen();
        assert!(screen.contains(&said(count, bytes)), "{}\n{screen}", said(count, bytes));
        let apart = blkreplay_core::units::Nanos(a.abs_diff(b) * 400_000);
        assert!(screen.contains(&format!("Δ {apart}")), "{screen}");
        inspector.press("f 'write or discard' enter");
        let (count, bytes) = between(a.min(b), a.max(b), "write or discard");
        if count > 1 {
            assert!(inspector.screen().contains(&said(count, bytes)), "{}", inspector.screen());
        }
    }
}

#[test]
fn a_and_b_are_taken_away_where_they_are_and_alone_say_which_key_sets_the_other() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("j ]");
    assert!(inspector.screen().contains(" B 0.000400  [ sets A"), "{}", inspector.screen());
    inspector.press("]");
    assert_eq!(inspector.message(), "B is no longer #1");
    assert!(!inspector.screen().contains("sets A"));
    inspector.press("[");
    assert!(inspector.screen().contains(" A 0.000400  ] sets B"), "{}", inspector.screen());
}

#[test]
fn filters_know_a_b_and_marks_by_name_and_are_put_in_force_with_their_times() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("f 't >= @A' enter");
    assert!(inspector.screen().contains("A is not set; [ sets it"), "{}", inspector.screen());
    inspector.press("esc : '100' enter [ : '200' enter ] : '150' enter m c");
    for (text, settled, count) in [
        ("t >= @A && t < @B", "t >= 40ms && t < 80ms", 100),
        ("t in @A..=@'c", "t in 40ms..=60ms", 51),
        ("t > @B and write", "t > 80ms and write", between(201, 599, "write").0),
    ] {
        // The quote ends a text of this test: it is typed by itself.
        inspector.press("f ctrl-u");
        for character in text.chars() {
            inspector.desk.app.press(crate::key::Key::char(character));
        }
        inspector.press("enter");
        assert_eq!(inspector.desk.app.filtering.text(), settled);
        assert_eq!(inspector.shown(), count, "{text}");
    }
    inspector.press("f ctrl-u 't > @' tab");
    assert!(inspector.screen().contains("tab: @'c @A @B"), "{}", inspector.screen());
}

#[test]
fn a_selection_grows_with_the_focus_and_its_time_becomes_a_filter() {
    let mut inspector = Inspector::new(120, 30);
    inspector.press(": '20' enter v j j j j");
    let (count, bytes) = between(20, 24, "id >= 0");
    assert!(inspector.screen().contains(&said(count, bytes)), "{}", inspector.screen());
    for (place, is_selected) in [(19, false), (20, true), (22, true), (24, true), (25, false)] {
        assert_eq!(inspector.desk.app.is_selected(place), is_selected, "{place}");
    }
    inspector.press("=");
    assert_eq!(inspector.desk.app.filtering.text(), "t in 8ms..=9600us");
    assert_eq!((inspector.shown(), inspector.desk.app.points.anchor), (5, None));
    inspector.press("backspace : '20' enter v k k minus");
    assert_eq!(inspector.desk.app.filtering.text(), "!(t in 7200us..=8ms)");
    assert_eq!(inspector.shown(), REQUESTS - 3);
    inspector.press("backspace g v G enter");
    assert_eq!((inspector.shown(), inspector.focused()), (REQUESTS, REQUESTS - 1));
}

#[test]
fn a_selection_is_dropped_by_esc_and_by_its_key_before_anything_else_ends() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("f 'write' enter v j esc");
    assert_eq!(inspector.message(), "the selection was dropped");
    assert_eq!(inspector.desk.app.filtering.text(), "write");
    inspector.press("v j v");
    assert_eq!(inspector.message(), "the selection was dropped");
    inspector.press("enter");
    assert!(inspector.desk.app.over.is_some(), "without a selection enter opens the request");
}

#[test]
fn what_is_missing_of_a_damaged_trace_makes_a_sum_approximate() {
    let whole = native::many_chunks(60);
    let line = |trace: &[u8]| {
        let file = kept(trace);
        let mut inspector = Inspector::of(file.path(), 120, 30);
        inspector.press("g [ G ]");
        let screen = inspector.screen();
        screen.lines().find(|line| line.starts_with(" A ")).unwrap_or_default().to_owned()
    };
    let exact = line(&whole);
    assert!(exact.contains("60 requests  ") && !exact.contains('~'), "{exact}");
    // In the middle, so that there are requests on both sides.
    let flips = (whole.len() / 3..).step_by(7).take(40);
    let mut lines = flips.map(|place| line(&flipped(&whole, place)));
    let short = lines.find(|line| line.contains('~')).unwrap();
    assert!(short.contains("60 requests  ~"), "{short}");
}

#[test]
fn without_requests_there_is_nothing_to_set_or_select() {
    let file = kept(&story::empty());
    let mut inspector = Inspector::of(file.path(), 80, 24);
    for keys in ["[", "]", "v"] {
        inspector.press(keys);
        assert_eq!(inspector.message(), "there is no request here", "{keys}");
    }
}

#[test]
fn a_b_and_the_selection_are_drawn_at_every_size() {
    const POINTS: &str = ": '118' enter [ : '122' enter ] k";
    const SELECTED: &str = ": '118' enter m x v j j j";
    looks_like(file!["screens/points-40x10.txt"], (40, 10), POINTS);
    looks_like(file!["screens/points-80x24.txt"], (80, 24), POINTS);
    looks_like(file!["screens/points-120x40.txt"], (120, 40), POINTS);
    looks_like(file!["screens/selected-40x10.txt"], (40, 10), SELECTED);
    looks_like(file!["screens/selected-80x24.txt"], (80, 24), SELECTED);
}
