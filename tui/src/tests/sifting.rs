//! Which hits of a filter are known first, and where keys lead meanwhile.

use std::io::Cursor;
use std::sync::mpsc::channel;
use std::time::Duration;

use blkreplay_core::format::Reader;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::Rows;
use blkreplay_core::view::Pages;
use blkreplay_fixtures::damage::flipped;
use blkreplay_fixtures::native;
use blkreplay_fixtures::story::REQUESTS;

use super::Inspector;
use crate::key::Key;
use crate::sieve::{self, Pass, Sifted};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// All that is told of a filter while somebody looks at a place.
fn told(trace: &[u8], text: &str, near: Option<u64>) -> Vec<Sifted> {
    let trace = trace.to_vec();
    let open = move || Ok::<_, AnyError>(Reader::open(Cursor::new(trace.clone()))?);
    let filter = Filter::of(text, open().unwrap().header()).unwrap();
    let pages = Pages::new(open().unwrap()).unwrap().all().to_vec();
    let (sender, heard) = channel();
    let pass = Pass { number: 1, filter, from: None, near, pause: Duration::ZERO };
    sieve::start(pass, pages, open, move |sifted| sender.send(sifted).is_ok());
    heard.iter().collect()
}

/// What is found in the end.
fn found(told: &[Sifted]) -> Vec<u64> {
    let mut found = std::collections::BTreeSet::new();
    for sifted in told {
        found.extend(&sifted.found);
        sifted.wrong.iter().for_each(|wrong| assert!(found.remove(wrong), "{wrong}"));
    }
    found.into_iter().collect()
}

/// What a loop over all rows finds.
fn meant(trace: &[u8], text: &str) -> Vec<u64> {
    let reader = Reader::open(Cursor::new(trace)).unwrap();
    let filter = Filter::of(text, reader.header()).unwrap();
    let mut rows = Rows::new(reader);
    let all = std::iter::from_fn(|| rows.next_row().unwrap());
    (0..).zip(all).filter(|(_, row)| filter.matches(row)).map(|(place, _)| place).collect()
}

#[test]
fn hits_from_the_focus_on_are_told_first_and_all_in_the_end() {
    let trace = native::many_chunks(400);
    for text in ["write", "flush", "off >= 100k", "lat > 1us && dev == disk", "len == 512"] {
        let all = meant(&trace, text);
        for near in [0, 1, 200, 399] {
            let told = told(&trace, text, Some(near));
            let expected: Vec<u64> = all.iter().copied().filter(|place| *place >= near).collect();
            if near > 1 && !expected.is_empty() {
                let first = &told[0];
                assert!(!first.found.is_empty(), "{text} at {near}");
                assert!(expected.starts_with(&first.found), "{text} at {near}: {:?}", first.found);
                assert_eq!((first.done, first.is_done), (0, false), "nothing counts as looked at");
            }
            assert_eq!(found(&told), all, "{text} at {near}");
            assert_eq!(told.iter().filter(|sifted| sifted.is_done).count(), 1);
        }
    }
}

#[test]
fn a_filter_that_depends_on_other_requests_is_asked_from_the_beginning() {
    let trace = native::many_chunks(400);
    for text in ["qd > 0", "lat >= p50(lat)", "gap > 1us"] {
        let told = told(&trace, text, Some(300));
        assert!(told.iter().all(|sifted| sifted.wrong.is_empty()), "{text}");
        let first = told.iter().find(|sifted| !sifted.found.is_empty()).unwrap();
        assert!(first.found[0] < 300, "{text}");
    }
}

#[test]
fn what_is_found_of_a_damaged_trace_does_not_depend_on_where_one_looked() {
    let whole = native::many_chunks(120);
    let mut taken_back = 0;
    for place in (whole.len() / 4..whole.len() / 2).step_by(whole.len() / 40) {
        let trace = flipped(&whole, place);
        let expected = found(&told(&trace, "write", None));
        let told = told(&trace, "write", Some(110));
        taken_back += told.iter().map(|sifted| sifted.wrong.len()).sum::<usize>();
        assert_eq!(found(&told), expected, "{place}");
    }
    assert!(taken_back > 0, "hits behind the damage were told, and taken back");
}

#[test]
fn the_first_and_the_last_that_are_asked_for_before_any_is_known_are_gone_to_once_they_are() {
    for (keys, expected) in [("g", 0), ("G", REQUESTS - 1), ("G g", 0), ("g G", REQUESTS - 1)] {
        let mut inspector = Inspector::new(100, 30);
        inspector.press(": '300' enter");
        // Nothing is heard between these keys.
        for key in "f i d > = 0 enter".split(' ').chain(keys.split(' ')) {
            inspector.desk.app.press(key.parse::<Key>().unwrap());
        }
        assert_eq!(inspector.shown(), 0);
        inspector.settle();
        assert_eq!((inspector.shown(), inspector.focused()), (REQUESTS, expected), "{keys}");
    }
}

#[test]
fn whoever_goes_to_the_first_of_some_hits_gets_to_the_first_of_all() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press(": '300' enter");
    for key in "f w r i t e enter".split(' ') {
        inspector.desk.app.press(key.parse::<Key>().unwrap());
    }
    let number = inspector.desk.app.filtering.number();
    let sifted = |found: &[u64], is_done| Sifted {
        number,
        found: found.to_vec(),
        again: None,
        wrong: Vec::new(),
        done: 0,
        is_first_pass: false,
        is_done,
        error: None,
        took: Duration::ZERO,
    };
    inspector.desk.app.sifted(sifted(&[310, 320], false));
    assert_eq!(inspector.desk.app.requests.focus(), 310);
    inspector.desk.app.press(Key::char('g'));
    assert_eq!(inspector.desk.app.requests.focus(), 310);
    inspector.desk.app.sifted(sifted(&[4, 7], true));
    assert_eq!(inspector.desk.app.requests.focus(), 4);
}
