//! Searches in text and bytes, held against a loop over all rows and their data.

use blkreplay_core::event::Payload;
use blkreplay_core::open;
use blkreplay_core::rows::Row;
use blkreplay_core::view::Pages;
use blkreplay_fixtures::story::{self, BEFORE, FAILED, REQUESTS, RETRY};
use bytes::Bytes;

use super::Inspector;
use super::growing::{damaged, file};
use crate::loader::Told;
use crate::words;

/// All rows of the story, with their data.
fn rows() -> Vec<(Row, Option<Bytes>)> {
    let file = file(&story::trace());
    let mut pages = Pages::new(open::trace(file.path()).unwrap()).unwrap();
    let rows: Vec<Row> =
        (0..pages.all().len()).flat_map(|page| pages.rows(page).unwrap()).collect();
    let data = |row: Row| match row.payload {
        Payload::Stored(_, id) => (row, Some(pages.data(id).unwrap())),
        _ => (row, None),
    };
    rows.into_iter().map(data).collect()
}

/// The places of the rows that are meant.
fn places(is_meant: impl Fn(&Row, Option<&[u8]>) -> bool) -> Vec<u64> {
    let rows = rows();
    let meant = (0..).zip(&rows).filter(|(_, (row, data))| is_meant(row, data.as_deref()));
    meant.map(|(place, _)| place).collect()
}

/// Searches from the first request on, forward through all, and then back.
fn finds_exactly(written: &str, expected: &[u64]) {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("G");
    let mut found = Vec::new();
    inspector.press(&format!("/ '{written}' enter"));
    assert!(inspector.message().contains("on from the beginning"), "{}", inspector.message());
    found.push(inspector.focused());
    for _ in 1..expected.len() {
        inspector.press("n");
        assert_eq!(inspector.message(), "", "{written}");
        found.push(inspector.focused());
    }
    assert_eq!(found, expected, "{written}");
    for at in expected.iter().rev().skip(1) {
        inspector.press("N");
        assert_eq!(inspector.focused(), *at, "{written}");
    }
    inspector.press("N");
    assert!(inspector.message().contains("on from the end"), "{}", inspector.message());
    assert_eq!(Some(&inspector.focused()), expected.last());
}

#[test]
fn a_text_is_found_in_the_lines_that_have_it_and_no_others() {
    for text in ["fua", "discard", "135266304", "write", "7ms", "900us"] {
        let expected = places(|row, _| words::line(row).to_lowercase().contains(text));
        if expected.len() > 1 && expected.last() != Some(&(REQUESTS - 1)) {
            finds_exactly(text, &expected);
        }
    }
    let expected = places(|row, _| words::line(row).contains("fua"));
    assert_eq!(expected, [BEFORE, FAILED, RETRY]);
}

#[test]
fn bytes_are_found_in_the_data_that_have_them_and_the_detail_says_where() {
    let bytes = [0x2a, 0x2a, 0x2b];
    let has = |data: &[u8]| data.windows(3).position(|window| window == bytes);
    let expected = places(|_, data| data.is_some_and(|data| has(data).is_some()));
    assert!(expected.len() > 5 && expected.len() < 400, "{}", expected.len());
    finds_exactly("x:2a 2a2b", &expected);

    let mut inspector = Inspector::new(100, 40);
    inspector.press("/ 'x:2a2a2b' enter");
    let place = usize::try_from(inspector.focused()).unwrap();
    let (row, data) = &rows()[place];
    let at = has(data.as_ref().unwrap()).unwrap();
    let offset = row.request.range.offset + at as u64;
    let said = format!("found    2a 2a 2b at {at:#x} of the data, offset {offset}");
    assert!(inspector.screen().contains(&said), "{said}\n{}", inspector.screen());
    inspector.press("j");
    assert!(!inspector.screen().contains("found    2a"), "{}", inspector.screen());
}

#[test]
fn a_search_that_finds_nothing_says_so_and_the_focus_stays() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press(": '300' enter / 'no such words' enter");
    assert_eq!(inspector.message(), "no request has `no such words`");
    inspector.press("/ 'x:00 ff 00 ff 00' enter");
    assert_eq!(inspector.message(), "no request has `00 ff 00 ff 00` in its data");
    assert_eq!(inspector.focused(), 300);
    inspector.press("f 'read' enter / 'fua' enter");
    assert_eq!(inspector.message(), "no request that is shown has `fua`");
    inspector.press("backspace");
    inspector.press("/ 'EIO' enter n");
    assert_eq!((inspector.focused(), inspector.message()), (FAILED, "no other request has `EIO`"));
}

#[test]
fn what_cannot_be_searched_for_is_refused_with_why() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("n");
    assert_eq!(inspector.message(), "nothing was searched for yet; / does");
    inspector.press("/ 'x:dea' enter");
    assert_eq!(inspector.message(), "3 digits are no whole bytes; x:dead beef searches data");
    inspector.press("/ enter");
    assert_eq!(inspector.message(), "nothing was searched for yet; / does");
    inspector.press("/ '#900' enter");
    assert_eq!(inspector.message(), "there is no request #900");
}

#[test]
fn a_number_behind_a_hash_goes_there_and_older_searches_come_back() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("/ '#300' enter");
    assert_eq!(inspector.focused(), 300);
    inspector.press("/ 'discard' enter ctrl-f up");
    assert!(inspector.screen().lines().last().unwrap().starts_with(" / discard"));
    inspector.press("up enter");
    assert_eq!(inspector.focused(), 300);
    inspector.press("g / 'EIO' enter g / enter");
    assert_eq!(inspector.focused(), FAILED, "nothing written means what was written before");
    inspector.press("/ 'fua' esc n");
    assert_eq!(inspector.message(), "no other request has `EIO`");
}

#[test]
fn a_search_leads_nowhere_once_somebody_moved() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("g");
    for key in ["j", "G", "k", ": '17' enter"] {
        // The key comes while the search is still on its way.
        inspector.desk.app.press("e".parse().unwrap());
        inspector.desk.wish();
        let before = inspector.focused();
        let keys: Vec<_> = key.split_whitespace().collect();
        inspector.press(keys[0]);
        if keys.len() > 1 {
            inspector.press("'17' enter");
            continue;
        }
        assert_ne!(inspector.focused(), FAILED, "{key}");
        assert!(key == "k" || inspector.focused() != before, "{key}");
        assert_eq!(inspector.message(), "the search was cancelled, for the focus was moved");
    }
}

#[test]
fn a_search_that_goes_on_says_how_far_it_is_and_esc_ends_it() {
    let mut inspector = Inspector::new(100, 30);
    let app = &mut inspector.desk.app;
    for key in "/ n o t h e r e enter".split(' ') {
        app.press(key.parse().unwrap());
    }
    let number = app.wishes().iter().find_map(|wish| match wish {
        crate::loader::Wish::Search(search) => Some(search.number),
        _ => None,
    });
    app.told(Told::Searched(number.unwrap(), 3, 8));
    assert_eq!(app.progress, Some((3, 8)));
    app.told(Told::Searched(number.unwrap() + 1, 7, 8));
    assert_eq!(app.progress, Some((3, 8)), "that of another says nothing");
    app.press("esc".parse().unwrap());
    assert_eq!((app.progress, inspector.message()), (None, "the search was cancelled"));
    inspector.settle();
    assert_eq!(inspector.focused(), 0);
}

#[test]
fn what_lies_behind_damage_is_not_claimed_to_have_been_searched() {
    let file = file(&damaged());
    let mut inspector = Inspector::of(file.path(), 100, 30);
    inspector.press("/ 'no such words' enter");
    assert_eq!(inspector.message(), "no request has `no such words`, as far as the trace is whole");
}
