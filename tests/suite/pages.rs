//! A trace shown a page at a time, and what a filter means in it, step by step: what the inspector reads.

use std::cell::RefCell;
use std::io::Cursor;

use blkreplay_core::event::Payload;
use blkreplay_core::format::Reader;
use blkreplay_core::query::{Asked, Filter};
use blkreplay_core::request::Digest;
use blkreplay_core::rows::{Context, Joiner, Row, Rows};
use blkreplay_core::view::{Hits, Pages};
use blkreplay_fixtures::{bytes, native, story};

/// Rows that a step looks at, at most.
const STEP_ROWS: u64 = 4096;

type Trace = Reader<Cursor<Vec<u8>>>;

fn opened(trace: &[u8]) -> Trace {
    Reader::open(Cursor::new(trace.to_vec())).unwrap()
}

/// Rows without what only a reader that saw the beginning can know.
fn plain(row: Row) -> Row {
    Row { context: Context::default(), ..row }
}

fn all(trace: &[u8]) -> Vec<Row> {
    let mut rows = Rows::new(opened(trace));
    std::iter::from_fn(|| rows.next_row().unwrap()).map(plain).collect()
}

#[test]
fn page_after_page_gives_all_rows_whatever_the_order_they_are_asked_in() {
    let kept = ["guest", "sessions", "operations", "two-devices", "later", "indexed", "columns"];
    let kept = kept.iter().map(|name| bytes(&format!("native/{name}.blkr")));
    let made = [story::trace(), native::many_chunks(40), native::long(5000)];
    for (number, trace) in kept.chain(made).enumerate() {
        let all = all(&trace);
        let mut pages = Pages::new(opened(&trace)).unwrap();
        assert_eq!(pages.requests(), all.len() as u64, "trace {number}");
        let count = pages.all().len();
        for page in (0..count).rev().chain(0..count) {
            let at = pages.all()[page];
            let rows: Vec<Row> = pages.rows(page).unwrap().into_iter().map(plain).collect();
            let place = usize::try_from(at.place).unwrap();
            assert_eq!(rows[..], all[place..place + rows.len()], "trace {number}, page {page}");
            assert_eq!(rows.len() as u64, at.requests, "trace {number}, page {page}");
            assert!(pages.loss().is_none());
            for place in [at.place, at.place + at.requests - 1] {
                assert_eq!(pages.holding(place), Some(page), "trace {number}");
            }
        }
        assert_eq!(pages.holding(all.len() as u64), None);
    }
}

#[test]
fn how_many_are_in_flight_is_what_it_is_for_a_reader_of_all_where_it_is_known_at_all() {
    for (trace, devices) in [
        (story::trace(), 1),
        (native::many_chunks(40), 2),
        (native::long(5000), 1),
        (bytes("native/two-devices.blkr"), 2),
    ] {
        let mut rows = Rows::new(opened(&trace));
        let depths: Vec<Option<u32>> =
            std::iter::from_fn(|| rows.next_row().unwrap()).map(|row| row.context.depth).collect();
        assert!(depths.iter().all(Option::is_some));
        let mut pages = Pages::new(opened(&trace)).unwrap();
        for page in 0..pages.all().len() {
            let place = usize::try_from(pages.all()[page].place).unwrap();
            for (row, depth) in pages.rows(page).unwrap().iter().zip(&depths[place..]) {
                let known = row.context.depth;
                assert!(known == *depth || devices > 1 && known.is_none(), "{}: {known:?}", row.id);
            }
        }
    }
}

#[test]
fn data_are_there_whatever_was_read_before() {
    let trace = story::trace();
    let mut pages = Pages::new(opened(&trace)).unwrap();
    let mut found = 0;
    for page in [2, 0, 1] {
        for row in pages.rows(page).unwrap() {
            if let Payload::Stored(digest, id) = row.payload {
                let data = pages.data(id).unwrap();
                assert_eq!(Digest::of(&data), digest, "{}", row.id);
                found += 1;
            }
        }
    }
    assert!(found > 100, "{found}");
}

#[test]
fn a_page_that_is_damaged_has_fewer_rows_and_says_why() {
    let whole = story::trace();
    let all = all(&whole);
    let mut damaged = 0;
    for place in (whole.len() / 4..whole.len() / 2).step_by(997) {
        let mut trace = whole.clone();
        trace[place] ^= 1;
        let mut pages = Pages::new(opened(&trace)).unwrap();
        for page in 0..pages.all().len() {
            let (place, requests) = (pages.all()[page].place, pages.all()[page].requests);
            let Ok(rows) = pages.rows(page) else { continue };
            let short = (rows.len() as u64) < requests;
            assert!(!short || pages.loss().is_some(), "page {page}");
            damaged += usize::from(short);
            let place = usize::try_from(place).unwrap();
            for (row, true_row) in rows.into_iter().zip(&all[place..]) {
                // Behind it nobody knows how requests ended.
                assert_eq!(row.request, true_row.request);
            }
        }
    }
    assert!(damaged > 0);
}

fn hits(trace: &[u8], text: &str) -> Hits<Cursor<Vec<u8>>> {
    let reader = opened(trace);
    let filter = Filter::of(text, reader.header()).unwrap();
    let pages = Pages::new(reader).unwrap().all().to_vec();
    let trace = trace.to_vec();
    Hits::new(filter, pages, move || Ok(opened(&trace)))
}

fn found(trace: &[u8], text: &str) -> Vec<u64> {
    let mut hits = hits(trace, text);
    let mut all = Vec::new();
    while let Some(places) = hits.next_found().unwrap() {
        all.extend_from_slice(places);
    }
    all
}

/// By definition: all rows, asked one by one, once all is known that the filter wants to know.
fn obvious(trace: &[u8], text: &str) -> Vec<u64> {
    let mut filter = Filter::of(text, opened(trace).header()).unwrap();
    let mut data = opened(trace);
    while data.next_event().unwrap().is_some() {}
    let data = RefCell::new(data);
    let fetch = |id| data.borrow_mut().payload(id).ok();
    let rows = || {
        let mut rows = Rows::joined_by(Joiner::new().knowing_written(), opened(trace));
        std::iter::from_fn(move || rows.next_row().unwrap())
    };
    let mut totals = filter.first_pass();
    rows().for_each(|row| totals.add(Asked::with_data(&row, &fetch)));
    filter.settle(&totals);
    let meant = |row| filter.matches(Asked::with_data(&row, &fetch));
    (0..).zip(rows()).filter_map(|(place, row)| meant(row).then_some(place)).collect()
}

#[test]
fn what_is_found_is_what_rows_say_whoever_is_asked() {
    let kept = ["guest", "sessions", "operations", "two-devices", "later", "columns"];
    let kept = kept.iter().map(|name| bytes(&format!("native/{name}.blkr")));
    let made = [story::trace(), native::many_chunks(40), native::long(9000)];
    let mut some = 0;
    for (number, trace) in kept.chain(made).enumerate() {
        for text in [
            "write",
            "op == read && len > 4k",
            "lat > p99(lat)",
            "err or !done",
            "payload[0:1] == 79",
            "seek == 0",
            "read && has(never_written)",
            "t >= 1ms && id % 7 == 3",
        ] {
            if Filter::of(text, opened(&trace).header()).is_err() {
                continue;
            }
            let places = found(&trace, text);
            assert_eq!(places, obvious(&trace, text), "trace {number}, {text}");
            some += places.len();
        }
    }
    assert!(some > 1000, "{some}");
}

#[test]
fn a_step_is_short_and_says_how_far_it_got() {
    let trace = native::long(20_000);
    for (text, adds_up) in [("lat > p99(lat)", true), ("seek == 0", false)] {
        let mut hits = hits(&trace, text);
        let (mut steps, mut before, mut first_pass) = (0, 0, 0);
        while hits.next_found().unwrap().is_some() {
            if hits.is_first_pass() {
                first_pass += 1;
            }
            assert!(hits.done() <= before + STEP_ROWS || hits.done() == 20_000, "{text}");
            before = hits.done();
            steps += 1;
        }
        assert!(steps > 3, "{text}: {steps}");
        assert_eq!(first_pass > 0, adds_up, "{text}");
        assert_eq!(hits.done(), 20_000, "{text}");
    }
}

#[test]
fn a_mark_that_is_not_there_and_a_trace_that_is_gone_are_told() {
    let trace = bytes("native/sessions.blkr");
    let mut hits = hits(&trace, "t >= @'formatted");
    assert!(hits.next_found().is_ok());
    let reader = opened(&trace);
    let Ok(filter) = Filter::of("t >= @'nowhere", reader.header()) else { panic!() };
    let pages = Pages::new(reader).unwrap().all().to_vec();
    let kept = trace.clone();
    let mut hits = Hits::new(filter.clone(), pages.clone(), move || Ok(opened(&kept)));
    assert_eq!(hits.next_found().unwrap_err().to_string(), "the trace has no mark `nowhere`");
    let gone = || Err::<Trace, _>("it is gone".into());
    let mut hits = Hits::new(filter, pages, gone);
    let error = hits.next_found().unwrap_err().to_string();
    assert_eq!(error, "cannot open the trace once more: it is gone");
}
