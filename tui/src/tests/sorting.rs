//! The list in the order of a column, and back: keys in, the order of the list out.

use std::cmp::Reverse;

use blkreplay_core::open;
use blkreplay_core::rows::Rows;
use blkreplay_fixtures::story::{self, FAILED, REQUESTS};

use super::Inspector;
use crate::state::cell::Cell;

/// The ids on the screen.
fn ids(inspector: &Inspector) -> Vec<u64> {
    let requests = &inspector.desk.app.requests;
    requests.on_screen().into_iter().map(|place| requests.row(place).unwrap().id.0).collect()
}

#[test]
fn the_list_is_sorted_by_a_column_and_goes_back() {
    let mut inspector = Inspector::new(100, 30);
    inspector.desk.app.cell = Cell::Latency;
    inspector.press("O");
    assert_eq!(inspector.message(), "sorted by lat; O goes back");
    assert_eq!((inspector.focused(), inspector.shown()), (FAILED, REQUESTS));
    assert!(inspector.screen().contains("lat▼"), "{}", inspector.screen());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), story::trace()).unwrap();
    let mut rows = Rows::new(open::trace(file.path()).unwrap());
    let mut expected: Vec<(u64, u64)> = std::iter::from_fn(|| rows.next_row().unwrap())
        .map(|row| (row.completion.unwrap().latency.0, row.id.0))
        .collect();
    expected.sort_by_key(|(latency, id)| (Reverse(*latency), *id));
    for (at, (_, id)) in (0..).zip(expected) {
        inspector.desk.app.requests.go_to(at);
        assert_eq!(inspector.desk.app.requests.focus(), id, "the one at {at}");
    }
    inspector.settle();
    inspector.press("g j O");
    assert_eq!(inspector.message(), "in the order of the trace");
    let shown = ids(&inspector);
    assert!(shown.is_sorted(), "{shown:?}");
    assert!(shown.contains(&inspector.focused()), "the focus stays");
    inspector.press("O esc");
    assert!(!inspector.desk.app.requests.is_sorted());
}

#[test]
fn what_a_filter_leaves_is_sorted_and_another_filter_ends_it() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("f 'op == discard' enter");
    let all = inspector.shown();
    inspector.desk.app.cell = Cell::Offset;
    inspector.press("O");
    assert_eq!(inspector.shown(), all);
    let offset = |place: u64| inspector.desk.app.requests.row(place).unwrap().request.range.offset;
    let offsets: Vec<u64> =
        inspector.desk.app.requests.on_screen().into_iter().map(offset).collect();
    assert!(offsets.is_sorted_by(|one, other| one >= other), "{offsets:?}");
    inspector.press("backspace");
    assert!(!inspector.desk.app.requests.is_sorted());
    assert_eq!(inspector.shown(), REQUESTS);
}

#[test]
fn who_goes_elsewhere_leaves_what_is_sorted() {
    let mut inspector = Inspector::new(100, 30);
    inspector.desk.app.cell = Cell::Latency;
    inspector.press("O : '#300' enter");
    assert_eq!(inspector.focused(), 300);
    inspector.press("f 'op == flush' enter");
    inspector.desk.app.cell = Cell::Epoch;
    inspector.press("O");
    assert!(inspector.desk.app.requests.is_sorted());
    inspector.press("backspace");
    assert!(!inspector.desk.app.requests.is_sorted());
}

#[test]
fn what_has_no_order_is_not_sorted() {
    let mut inspector = Inspector::new(100, 30);
    inspector.desk.app.cell = Cell::Payload;
    inspector.press("O");
    assert_eq!(inspector.message(), "digests of data have no order");
    inspector.press("2 O");
    assert_eq!(inspector.message(), "O sorts the list of requests; 1 shows it");
    inspector.press("1");
    inspector.desk.app.cell = Cell::Latency;
    inspector.desk.app.press("O".parse().unwrap());
    inspector.desk.app.press("esc".parse().unwrap());
    assert_eq!(inspector.message(), "sorting was cancelled");
    assert!(inspector.desk.app.sorting.order().is_none());
}
