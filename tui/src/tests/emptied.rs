//! Why a filter leaves no request: the term that leaves none is named, with what those before it leave.

use blkreplay_core::open;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::Rows;
use blkreplay_fixtures::story::{self, FAILED, REQUESTS};
use snapbox::{Data, assert_data_eq, file};

use super::Inspector;
use crate::sieve::Sifted;

/// How many requests of the story a filter means, in a loop over all rows.
fn count(text: &str) -> usize {
    let file = super::growing::file(&story::trace());
    let reader = open::trace(file.path()).unwrap();
    let filter = Filter::of(text, reader.header()).unwrap();
    let mut rows = Rows::new(reader);
    std::iter::from_fn(|| rows.next_row().unwrap()).filter(|row| filter.matches(row)).count()
}

#[test]
fn the_term_that_leaves_none_is_named_with_how_many_those_before_it_leave() {
    for terms in [
        &["read", "err"][..],
        &["write", "id < 300", "off > 4k", "id > 300", "!done", "err", "fua"],
        &["write", "lat > 1ms", "err", "id != 121", "lat > p90(lat)"],
        &["write", "(discard || flush)"],
        &["id < 20", "len > 0", "lat > 100s"],
    ] {
        let counts: Vec<usize> =
            (1..=terms.len()).map(|first| count(&terms[..first].join(" && "))).collect();
        let at = counts.iter().position(|count| *count == 0).unwrap();
        assert!(at > 0);
        let mut inspector = Inspector::new(200, 30);
        inspector.press(&format!("f '{}' enter", terms.join(" && ")));
        assert_eq!(inspector.shown(), 0);
        let (term, before, left) = (terms[at], terms[..at].join(" && "), counts[at - 1]);
        let why = format!("no request: `{term}` leaves none of the {left} that `{before}` leaves");
        assert_eq!(inspector.desk.app.why_empty(), Some(why.clone()));
        let begin = format!("  no request: `{term}` leaves none of the {left} that ");
        assert!(inspector.screen().contains(&begin), "{}", inspector.screen());
    }
}

#[test]
fn a_first_term_that_leaves_none_leaves_none_of_all() {
    let mut inspector = Inspector::new(120, 30);
    inspector.press("f 'lat > 100s && write' enter");
    let why = format!("no request: `lat > 100s` leaves none of all {REQUESTS}");
    assert_eq!(inspector.desk.app.why_empty(), Some(why));
    inspector.press("backspace");
    let why = inspector.desk.app.why_empty().unwrap();
    assert!(why.starts_with("no request: `lat > 100s` leaves none"), "{why}");
    inspector.press("backspace");
    assert_eq!((inspector.desk.app.why_empty(), inspector.shown()), (None, REQUESTS));
}

#[test]
fn the_search_for_the_term_is_marked_as_going_on_and_esc_ends_it() {
    let mut inspector = Inspector::new(120, 30);
    for key in "f r e a d space & & space e r r enter".split(' ') {
        inspector.desk.app.press(key.parse().unwrap());
    }
    let number = inspector.desk.app.filtering.number();
    let app = &mut inspector.desk.app;
    assert_eq!(app.why_empty(), None, "the filter goes first");
    let ended = Sifted {
        number,
        found: Vec::new(),
        again: None,
        wrong: Vec::new(),
        done: REQUESTS,
        is_first_pass: false,
        is_done: true,
        error: None,
        took: std::time::Duration::ZERO,
    };
    app.filtering.applied.as_mut().unwrap().of = (REQUESTS, REQUESTS);
    app.sifted(ended);
    app.want_emptied();
    let going = "~ the filter leaves out all; looking for the term that does, 0 %: esc stops";
    assert_eq!(app.why_empty().as_deref(), Some(going));
    app.press("esc".parse().unwrap());
    assert_eq!(inspector.message(), "which term leaves none was not looked for any further");
    inspector.settle();
    assert_eq!(inspector.desk.app.why_empty(), None);
    assert!(inspector.screen().contains("  the filter leaves out all; backspace drops"));
    inspector.press("backspace e");
    assert_eq!(inspector.desk.app.filtering.text(), "read");
    assert_ne!(inspector.desk.app.requests.focus(), FAILED, "it is no read");
}

#[test]
fn a_filter_that_leaves_none_looks_like_this() {
    let looks_like = |expected: Data, size: (u16, u16)| {
        let mut inspector = Inspector::new(size.0, size.1);
        inspector.press("f 'op == write && id < 100 && err && lat > 1ms' enter");
        assert_data_eq!(inspector.screen(), expected.raw());
    };
    looks_like(file!["screens/emptied-40x10.txt"], (40, 10));
    looks_like(file!["screens/emptied-80x24.txt"], (80, 24));
}
