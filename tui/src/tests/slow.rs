//! Going from one slow request to the next, held against a loop over all rows.

use blkreplay_core::format::Reader;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::{Row, Rows};
use blkreplay_fixtures::story::{self, FAILED};
use std::io::Cursor;

use super::Inspector;
use super::growing::file;

/// Places of requests that a filter means.
fn places(text: &str) -> Vec<u64> {
    let reader = Reader::open(Cursor::new(story::trace())).unwrap();
    let mut filter = Filter::of(text, reader.header()).unwrap();
    let mut rows = Rows::new(reader);
    let all: Vec<Row> = std::iter::from_fn(|| rows.next_row().unwrap()).collect();
    let mut totals = filter.first_pass();
    for row in &all {
        totals.add(row);
    }
    filter.settle(&totals);
    let meant = (0..).zip(&all).filter(|(_, row)| filter.matches(*row));
    meant.map(|(place, _)| place).collect()
}

/// Those that took longer than the p99 of their operation, each asked for alone.
fn slow() -> Vec<u64> {
    let names = ["read", "write", "flush", "discard", "write_zeroes", "block_status", "cache"];
    let each = names.map(|name| places(&format!("{name} && lat > p99(lat where {name})")));
    let mut all = each.concat();
    all.sort_unstable();
    all
}

#[test]
fn slow_requests_are_those_over_the_p99_of_their_operation_one_after_the_other() {
    let slow = slow();
    assert!(slow.len() > 2 && slow.contains(&FAILED), "{slow:?}");
    let mut inspector = Inspector::new(100, 30);
    for place in &slow {
        inspector.press("s");
        assert_eq!((inspector.focused(), inspector.message()), (*place, ""));
    }
    inspector.press("s");
    let none = "no request behind this one took longer than the p99 of its operation";
    assert_eq!(inspector.message(), none);
    for place in slow.iter().rev().skip(1) {
        inspector.press("S");
        assert_eq!(inspector.focused(), *place);
    }
    inspector.press("S");
    assert_eq!(inspector.message(), none.replace("behind", "before"));
    inspector.press("ctrl-o");
    assert_eq!(inspector.focused(), slow[1], "it can be gone back from");
}

#[test]
fn of_slow_requests_only_those_are_gone_to_that_are_shown() {
    let slow = slow();
    let (first, others) = slow.split_first().unwrap();
    let mut inspector = Inspector::new(100, 30);
    inspector.press(&format!("f 'id != {first}' enter g"));
    for place in others {
        inspector.press("s");
        assert_eq!(inspector.focused(), *place);
    }
    inspector.press("s");
    assert!(inspector.message().starts_with("no request behind"), "{}", inspector.message());
}

#[test]
fn while_latencies_are_added_up_it_says_so_and_esc_or_a_move_ends_it() {
    for end in ["esc", "j"] {
        let mut inspector = Inspector::new(100, 30);
        inspector.desk.app.press("s".parse().unwrap());
        let said = inspector.desk.app.slow_shown();
        assert_eq!(said.as_deref(), Some("latencies are added up: 0 %"));
        inspector.desk.wish();
        inspector.desk.app.press(end.parse().unwrap());
        inspector.settle();
        assert_eq!(inspector.focused(), u64::from(end == "j"));
        inspector.press("s");
        assert_eq!(inspector.focused(), slow()[0], "and it can be asked again");
    }
}

#[test]
fn a_trace_that_is_gone_says_that_it_cannot_be_looked_through() {
    let file = file(&story::trace());
    let mut inspector = Inspector::of(file.path(), 100, 30);
    drop(file);
    inspector.press("s");
    assert!(inspector.message().starts_with("cannot open the trace once more"));
    let file = super::growing::file(&story::empty());
    let mut inspector = Inspector::of(file.path(), 100, 30);
    inspector.press("s S");
    assert!(inspector.message().starts_with("no request before"), "{}", inspector.message());
}
