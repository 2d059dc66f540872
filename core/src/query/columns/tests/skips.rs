//! Tests of passing over chunks: what is found is the same, and chunks that cannot hold any of it are not read.

use super::*;
use crate::format::Scanned;

/// What is found, and of how many chunks columns were made.
fn skipping(trace: &[u8], text: &str) -> (Vec<u64>, Scanned) {
    let filter = ColumnFilter::of(&filter(text)).unwrap();
    let mut search = Search::new(Reader::open(Cursor::new(trace)).unwrap(), filter);
    let mut ids = Vec::new();
    while let Some(found) = search.next_found().unwrap() {
        ids.extend(found);
    }
    (ids, search.chunks())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn passing_over_chunks_finds_what_reading_all_finds(
        steps in any_steps(120),
        texts in vec(any_filter(), 1..6),
    ) {
        let traces = LAYOUTS.map(|layout| trace(layout, &steps));
        for text in texts {
            let filter = ColumnFilter::of(&filter(&text)).unwrap();
            for trace in &traces {
                let open = || Reader::open(Cursor::new(&trace[..])).unwrap();
                let search = || Search::new(open(), filter.clone());
                let wanted = all(search().reading_all()).unwrap();
                prop_assert_eq!(all(search()).unwrap(), wanted, "{}", text);
            }
        }
    }

    #[test]
    fn who_is_to_blame_is_who_rows_blame(steps in any_steps(80), text in any_filter()) {
        for layout in LAYOUTS {
            let trace = trace(layout, &steps);
            let filter = filter(&text);
            let mut wanted = vec![0; 1 + filter.terms().len()];
            let mut rows = Rows::new(Reader::open(Cursor::new(&trace)).unwrap());
            while let Some(row) = rows.next_row().unwrap() {
                let passed = filter.refused_by(&row).unwrap_or(filter.terms().len());
                wanted[..=passed].iter_mut().for_each(|count| *count += 1);
            }
            let counts = Found::passed(&filter, Reader::open(Cursor::new(&trace[..])).unwrap());
            prop_assert_eq!(counts.unwrap(), wanted, "{}", text);
        }
    }
}

/// Thirty chunks of twenty writes each, of which one is answered in the next chunk; a stall in the chunk with number 17, and a
/// flush in the last.
fn stalled(layout: Layout) -> Vec<u8> {
    let mut trace = Trace::new(layout);
    for chunk in 0..30 {
        for id in 20 * chunk..20 * chunk + 20 {
            trace.ask(id, Operation::Write, 4096 * id);
        }
        let latency = if chunk == 17 { 9_000_000 } else { 1_000_000 };
        for id in (20 * chunk).saturating_sub(1)..20 * chunk + 19 {
            trace.answer(id, Operation::Write, latency);
        }
        trace.chunk();
    }
    trace.ask(600, Operation::Flush, 0);
    trace.finish()
}

#[test]
fn chunks_in_which_nothing_can_be_meant_are_not_read() {
    for layout in LAYOUTS {
        let trace = stalled(layout);
        for (text, read) in [
            // The chunk that stalled, the one before, of which a request was open, and the last two, where some stay open.
            ("op == write && lat > 5ms", 4),
            ("write && lat > 1s", 2),
            ("err == EIO", 2),
            ("!done", 2),
            ("flush", 1),
            ("id in 100..105", 1),
            ("off overlaps 400k..404k", 1),
            ("t > 1h", 0),
            ("read", 0),
        ] {
            let (ids, scanned) = skipping(&trace, text);
            assert_eq!(ids, by_rows(&trace, &filter(text)), "{text}");
            assert_eq!(scanned, Scanned { read, passed: 31 - read }, "{layout:?}: {text}");
        }
    }
}

#[test]
fn a_request_that_hangs_keeps_no_chunk_but_its_own() {
    for layout in LAYOUTS {
        let mut trace = Trace::new(layout);
        trace.issue(0);
        for id in 1..400 {
            trace.issue(id);
            trace.answer(id, Operation::Write, 1000);
            if id % 20 == 0 {
                trace.chunk();
            }
        }
        trace.answer(0, Operation::Write, 9_000_000);
        let bytes = trace.finish();
        let (ids, scanned) = skipping(&bytes, "lat > 5ms");
        assert_eq!(ids, [0], "{layout:?}");
        assert!(scanned.read <= 6 && scanned.passed >= 14, "{layout:?}: {scanned:?}");
    }
}

#[test]
fn damage_in_a_chunk_that_is_passed_over_is_noticed() {
    for layout in LAYOUTS {
        let trace = stalled(layout);
        for number in [3, 12, 29] {
            let mut hurt = trace.clone();
            hurt[chunk_at(&trace, number) - 1] ^= 1;
            let text = filter("lat > 5ms");
            assert!(matches!(found_rows(&hurt, &text), Err(SearchError::Odd)), "{layout:?}");
        }
    }
}
