//! Tests of filters over columns: what they find is what rows say, whatever the trace and its layout.

mod skips;

use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{ColumnFilter, Found, Search, SearchError};
use crate::event::{Block, CompletionFlags, Event, EventKind, Issue, Payload};
use crate::format::{
    Edits, Entry, Header, Layout, LimitsHeader, PayloadPolicy, Reader, ReplayHeader, Writer,
};
use crate::limits::{CHUNK_AGE_NS, ROWS_HELD_MAX};
use crate::query::Filter;
use crate::request::{ConnectionId, DeviceId, Errno, Flags, Operation, Request, RequestId};
use crate::rows::{Context, Row, Rows};
use crate::units::{ByteRange, Nanos};

const LAYOUTS: [Layout; 2] = [Layout::Rows, Layout::Columns { level: 3 }];

fn devices() -> Vec<String> {
    vec!["disk".to_owned(), "swap".to_owned()]
}

/// What happens in a trace.
#[derive(Debug, Clone)]
enum Step {
    /// A request, so many ids after the one before.
    Issue { skip: u64, issue: Issue },
    /// The end of one of those that are open, counted round.
    Block { which: usize, latency: u64, hold: u64, errno: u16, flags: (bool, bool) },
    /// The end of a request that is not open.
    Stray(u64),
    /// So many requests that their latencies are in the summary, each answered at once.
    Burst { operation: u8, latency: u64 },
    /// The chunk ends.
    Chunk,
}

fn any_step() -> impl Strategy<Value = Step> {
    let names = (0..3_u64, 0..2_u16, 0..3_u32, 0..9_u64);
    let ranges = (0..40_u64, 0..20_u64, prop_oneof![9 => 0..1_u64, 1 => Just(u64::MAX - 4096)]);
    let issue = (names, 0..7_u8, ranges, 0..16_u8, 0..4_u64).prop_map(
        |((skip, device, connection, cookie), operation, (offset, length, far), flags, early)| {
            let request = Request {
                operation: Operation::from_number(operation).unwrap(),
                range: ByteRange::new(far.saturating_add(offset * 700), length * 500),
                flags: Flags::from_bits(flags).unwrap(),
            };
            let issue = Issue {
                id: RequestId(0),
                device: DeviceId(device),
                connection: ConnectionId(connection),
                cookie,
                request,
                payload: Payload::Absent,
                early: Nanos(early * 500),
            };
            Step::Issue { skip, issue }
        },
    );
    let errno = prop_oneof![3 => Just(0), 1 => Just(Errno::EIO.0), 1 => Just(Errno::ENOSPC.0), 1 => 1..200_u16];
    let block = (any::<usize>(), 0..12_u64, 0..5_u64, errno, any::<(bool, bool)>()).prop_map(
        |(which, latency, hold, errno, flags)| Step::Block {
            which,
            latency: latency * 1000,
            hold: hold * 1000,
            errno,
            flags,
        },
    );
    let burst = (0..7_u8, 0..12_u64)
        .prop_map(|(operation, latency)| Step::Burst { operation, latency: latency * 1000 });
    let stray = (0..30_u64).prop_map(Step::Stray);
    prop_oneof![8 => issue, 6 => block, 1 => burst, 1 => stray, 4 => Just(Step::Chunk)]
}

/// What happens in a recording, or in a replay, to which requests may come early.
fn any_steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    (vec(any_step(), 0..most), any::<bool>()).prop_map(|(mut steps, is_replay)| {
        for step in &mut steps {
            if let Step::Issue { issue, .. } = step
                && !is_replay
            {
                issue.early = Nanos(0);
            }
        }
        steps
    })
}

fn block(id: u64, latency: u64, hold: u64, errno: u16, flags: (bool, bool)) -> EventKind {
    EventKind::Block(Block {
        id: RequestId(id),
        device: DeviceId(0),
        operation: Operation::Read,
        result: if errno == 0 { Ok(()) } else { Err(Errno(errno)) },
        latency: Nanos(latency),
        hold: Nanos(hold),
        flags: CompletionFlags { undelivered: flags.0, refused: flags.1 },
        payload: Payload::Absent,
        extents: Vec::new(),
    })
}

/// A trace that is being written; each event comes 700 ns after the one before.
struct Trace {
    writer: Writer<Vec<u8>>,
    time: u64,
}

fn header() -> Header {
    Header {
        tool: "test".to_owned(),
        command: Vec::new(),
        wall_clock_ns: 1,
        payload: PayloadPolicy::None,
        devices: Vec::new(),
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 4096, connection_requests: 16 },
        recovered: None,
        replay: None,
        edits: Edits::default(),
    }
}

impl Trace {
    fn new(layout: Layout) -> Trace {
        Trace::under(&header(), layout)
    }

    fn under(header: &Header, layout: Layout) -> Trace {
        let writer = Writer::create(Vec::new(), header, 7, 7).unwrap().laid_out(layout);
        Trace { writer, time: 2000 }
    }

    fn add(&mut self, kind: EventKind) {
        self.time += 700;
        let event = Event { time: Nanos(self.time), kind };
        self.writer.append(Entry { event, data: None }).unwrap();
    }

    fn issue(&mut self, id: u64) {
        self.ask(id, Operation::Write, 0);
    }

    fn ask(&mut self, id: u64, operation: Operation, offset: u64) {
        let range = ByteRange::new(offset, 512);
        self.add(EventKind::Issue(Issue {
            id: RequestId(id),
            device: DeviceId(0),
            connection: ConnectionId(0),
            cookie: 0,
            request: Request { operation, range, flags: Flags::NONE },
            payload: Payload::Absent,
            early: Nanos(0),
        }));
    }

    fn answer(&mut self, id: u64, operation: Operation, latency: u64) {
        self.block(operation, block(id, latency, 0, 0, (false, false)));
    }

    /// Adds a block of a request of this operation.
    fn block(&mut self, operation: Operation, kind: EventKind) {
        let EventKind::Block(block) = kind else { unreachable!("it is one") };
        self.add(EventKind::Block(Block { operation, ..block }));
    }

    fn chunk(&mut self) {
        self.writer.tick(Nanos(self.time + CHUNK_AGE_NS)).unwrap();
    }

    fn finish(mut self) -> Vec<u8> {
        self.add(EventKind::End { status: None });
        self.writer.finish().unwrap().0
    }
}

fn trace(layout: Layout, steps: &[Step]) -> Vec<u8> {
    let early = |step: &Step| matches!(step, Step::Issue { issue, .. } if issue.early.0 > 0);
    let replay = steps
        .iter()
        .any(early)
        .then(|| ReplayHeader { of: String::new(), order: "recorded".to_owned() });
    let mut trace = Trace::under(&Header { replay, ..header() }, layout);
    // A request that is answered twice in a chunk is refused; a test of its own says so.
    let (mut next, mut open, mut answered) = (0, Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Issue { skip, issue } => {
                let id = next + skip;
                next = id + 1;
                open.push((id, issue.request.operation));
                trace.add(EventKind::Issue(Issue { id: RequestId(id), ..*issue }));
            }
            Step::Block { which, latency, hold, errno, flags } if !open.is_empty() => {
                let (id, operation) = open.remove(which % open.len());
                answered.push(id);
                trace.block(operation, block(id, *latency, *hold, *errno, *flags));
            }
            Step::Burst { operation, latency } => {
                let operation = Operation::from_number(*operation).unwrap();
                for id in next..next + 17 {
                    trace.ask(id, operation, 4096 * (id % 5));
                    trace.answer(id, operation, *latency);
                }
                answered.extend(next..next + 17);
                next += 17;
            }
            Step::Stray(id)
                if !open.iter().any(|(open, _)| open == id) && !answered.contains(id) =>
            {
                trace.add(block(*id, 5000, 0, 0, (false, false)));
            }
            Step::Block { .. } | Step::Stray(_) => {}
            Step::Chunk => {
                trace.chunk();
                answered.clear();
            }
        }
    }
    trace.finish()
}

/// Tests that are no comparison with a number.
const WORDS: &[&str] = &[
    "write",
    "op == read",
    "op != flush",
    "op in {read, write}",
    "op not in {cache, discard}",
    "fua",
    "!no_hole",
    "req_one",
    "fast_zero",
    "done",
    "err",
    "err == EIO",
    "err != EIO",
    "err in {EIO, ENOSPC}",
    "err not in {EIO}",
    "result == ok",
    "result != ok",
    "result in {ok, EIO}",
    "result == ENOSPC",
    "dev == disk",
    "dev != disk",
    "dev in {swap}",
    "has(lat)",
    "has(err)",
    "has(off)",
    "has(result)",
    "has(req.pid)",
    "off overlaps 2k..8k",
    "off overlaps ..=4k",
    "lba overlaps 10..",
    "ev.kind == issue",
];

/// A comparison of every field that columns have, with constants that are met.
fn any_leaf() -> impl Strategy<Value = String> {
    let relation =
        prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    let number = prop_oneof![
        (Just("off"), 0..28_000_u64),
        (Just("end"), 0..28_000_u64),
        (Just("len"), 0..20_u64).prop_map(|(name, count)| (name, count * 500)),
        (Just("lba"), 0..60_u64),
        (Just("lba_end"), 0..60_u64),
        (Just("nlb"), 0..20_u64),
        (Just("id"), 0..40_u64),
        (Just("cookie"), 0..9_u64),
        (Just("conn"), 0..3_u64),
    ];
    let span = (
        prop_oneof![Just("lat"), Just("hold"), Just("tc"), Just("t"), Just("early")],
        prop_oneof![(0..12_u64).prop_map(|one| one * 500), 0..40_000_u64],
    );
    let one = (number.clone(), relation.clone(), any::<bool>()).prop_map(
        |((name, value), relation, turned)| {
            if turned {
                format!("{value} {relation} {name}")
            } else {
                format!("{name} {relation} {value}")
            }
        },
    );
    let time = (span.clone(), relation)
        .prop_map(|((name, value), relation)| format!("{name} {relation} {value}ns"));
    let within = (number, 1..9000_u64, any::<(bool, bool)>()).prop_map(
        |((name, from), length, (not, inclusive))| {
            let (not, dots) = (if not { "not " } else { "" }, if inclusive { "..=" } else { ".." });
            format!("{name} {not}in {{{from}{dots}{}, 7, {}..}}", from + length, from + 20_000)
        },
    );
    let spans = (span, 1..9000_u64)
        .prop_map(|((name, from), length)| format!("{name} in {from}ns..{}ns", from + length));
    let word = prop::sample::select(WORDS).prop_map(str::to_owned);
    prop_oneof![3 => one, 3 => time, 1 => within, 1 => spans, 3 => word]
}

fn any_filter() -> impl Strategy<Value = String> {
    any_leaf().prop_recursive(4, 12, 3, |part| {
        prop_oneof![
            (part.clone(), part.clone()).prop_map(|(one, other)| format!("({one} && {other})")),
            (part.clone(), part.clone()).prop_map(|(one, other)| format!("({one} || {other})")),
            part.prop_map(|part| format!("!({part})")),
        ]
    })
}

/// What a filter means of all rows, but for what lies around them.
fn rows(trace: &[u8], filter: &Filter) -> (Vec<Row>, Option<String>) {
    let mut rows = Rows::new(Reader::open(Cursor::new(trace)).unwrap());
    let mut meant = Vec::new();
    while let Some(row) = rows.next_row().unwrap() {
        if filter.matches(&row) {
            meant.push(Row { context: Context::default(), ..row });
        }
    }
    (meant, rows.loss().map(|loss| loss.to_string()))
}

/// The same, as it is found.
fn found_rows(trace: &[u8], filter: &Filter) -> Result<(Vec<Row>, Option<String>), SearchError> {
    let open = || Reader::open(Cursor::new(trace)).unwrap();
    let mut found = Found::new(filter, open(), open()).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = found.next_row()? {
        rows.push(Row { context: Context::default(), ..row });
    }
    Ok((rows, found.into_loss()?.map(|loss| loss.to_string())))
}

/// Where a chunk begins.
fn chunk_at(trace: &[u8], number: usize) -> usize {
    let windows = trace.windows(4).enumerate().filter(|(_, window)| *window == b"BLKC");
    windows.map(|(place, _)| place).nth(number).unwrap()
}

fn by_rows(trace: &[u8], filter: &Filter) -> Vec<u64> {
    rows(trace, filter).0.iter().map(|row| row.id.0).collect()
}

fn by_columns(trace: &[u8], filter: ColumnFilter) -> Result<Vec<u64>, SearchError> {
    let search = Search::new(Reader::open(Cursor::new(trace)).unwrap(), filter);
    all(search.reading_all())
}

fn all(mut search: Search<Cursor<&[u8]>>) -> Result<Vec<u64>, SearchError> {
    let mut ids = Vec::new();
    while let Some(found) = search.next_found()? {
        ids.extend(found);
    }
    assert!(search.loss().is_none());
    assert!(ids.is_sorted(), "they come in the order of issue");
    Ok(ids)
}

fn filter(text: &str) -> Filter {
    Filter::parse(text, &devices()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn columns_find_what_rows_find(
        steps in any_steps(80),
        texts in vec(any_filter(), 1..6),
    ) {
        let traces = LAYOUTS.map(|layout| trace(layout, &steps));
        for text in texts {
            let filter = filter(&text);
            let compiled = ColumnFilter::of(&filter).unwrap_or_else(|| panic!("{text} is compiled"));
            let wanted = by_rows(&traces[0], &filter);
            for trace in &traces {
                prop_assert_eq!(&by_columns(trace, compiled.clone()).unwrap(), &wanted, "{}", text);
            }
        }
    }

    #[test]
    fn rows_that_are_found_of_a_whole_or_cut_trace_are_those_that_are_meant(
        steps in any_steps(80),
        text in any_filter(),
        cut in 0..1000_usize,
    ) {
        let filter = filter(&text);
        for layout in LAYOUTS {
            let whole = trace(layout, &steps);
            let cut = &whole[..whole.len() - cut % (whole.len() - chunk_at(&whole, 0))];
            for trace in [&whole, cut] {
                let found = found_rows(trace, &filter).unwrap();
                prop_assert_eq!(found, rows(trace, &filter), "{}", text);
            }
        }
    }
}

fn found(trace: &[u8], text: &str) -> Result<Vec<u64>, SearchError> {
    by_columns(trace, ColumnFilter::of(&filter(text)).unwrap())
}

#[test]
fn what_columns_do_not_have_is_not_compiled() {
    for text in [
        "epoch > 3",
        "event == 5",
        "refused",
        "!undelivered",
        "zeroes",
        "has(refused) && zeroes",
        "qd > 4",
        "seek == 0",
        "mark",
        "never_written",
        "step in 3..5",
        "payload contains 53:ef",
        "lat > p99(lat)",
        "t > @'begin",
        "write && lat + hold > 5ms",
        "off % 4096 == 0 || write",
    ] {
        assert_eq!(ColumnFilter::of(&filter(text)), None, "{text}");
    }
}

#[test]
fn a_filter_that_was_settled_is_compiled() {
    for layout in LAYOUTS {
        let mut trace = Trace::new(layout);
        (0..9).for_each(|id| trace.issue(id));
        (0..9).for_each(|id| trace.add(block(id, 1000 * id, 0, 0, (false, false))));
        let bytes = trace.finish();
        let mut filter = filter("lat > 50% * max(lat)");
        assert_eq!(ColumnFilter::of(&filter), None);
        let mut totals = filter.first_pass();
        let mut rows = Rows::new(Reader::open(Cursor::new(&bytes[..])).unwrap());
        while let Some(row) = rows.next_row().unwrap() {
            totals.add(&row);
        }
        filter.settle(&totals);
        let ids = by_columns(&bytes, ColumnFilter::of(&filter).unwrap()).unwrap();
        assert_eq!(ids, [5, 6, 7, 8], "{layout:?}");
    }
}

#[test]
fn ids_that_do_not_count_up_are_left_to_rows() {
    for layout in LAYOUTS {
        for ids in [[1, 1], [2, 1]] {
            for chunks in [false, true] {
                let mut trace = Trace::new(layout);
                trace.issue(ids[0]);
                if chunks {
                    trace.chunk();
                }
                trace.issue(ids[1]);
                let bytes = trace.finish();
                for text in ["write", "lat > 1us"] {
                    let found = found(&bytes, text);
                    assert!(
                        matches!(found, Err(SearchError::Odd)),
                        "{layout:?} {ids:?}: {found:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_request_that_is_answered_twice_in_a_chunk_is_left_to_rows() {
    for layout in LAYOUTS {
        let mut trace = Trace::new(layout);
        trace.issue(4);
        trace.add(block(4, 1000, 0, 0, (false, false)));
        trace.add(block(4, 9000, 0, 0, (false, false)));
        let bytes = trace.finish();
        assert!(matches!(found(&bytes, "lat > 5us"), Err(SearchError::Odd)), "{layout:?}");
        assert_eq!(found(&bytes, "write").unwrap(), [4], "how it ended does not matter");
    }
}

#[test]
fn a_second_answer_in_a_later_chunk_is_none() {
    for layout in LAYOUTS {
        let mut trace = Trace::new(layout);
        trace.issue(4);
        trace.add(block(4, 1000, 0, 0, (false, false)));
        trace.chunk();
        trace.add(block(4, 9000, 0, 0, (false, false)));
        let bytes = trace.finish();
        assert_eq!(found(&bytes, "lat > 5us").unwrap(), [0_u64; 0], "{layout:?}");
        assert_eq!(found(&bytes, "lat < 5us").unwrap(), [4], "{layout:?}");
    }
}

#[test]
fn a_request_that_stays_open_for_too_many_is_left_to_rows() {
    let of = |requests: usize| {
        let mut trace = Trace::new(LAYOUTS[1]);
        trace.issue(0);
        for id in 1..requests as u64 {
            trace.issue(id);
            trace.add(block(id, 1000, 0, 0, (false, false)));
        }
        trace.add(block(0, 9000, 0, 0, (false, false)));
        trace.finish()
    };
    let most = of(ROWS_HELD_MAX);
    assert_eq!(found(&most, "lat > 5us").unwrap(), [0]);
    let first = filter("id == 0");
    assert_eq!(found_rows(&most, &first).unwrap().0.len(), 1);
    let over = of(ROWS_HELD_MAX + 1);
    assert!(matches!(found(&over, "lat > 5us"), Err(SearchError::Odd)));
    assert!(matches!(found_rows(&over, &first), Err(SearchError::Odd)));
    assert_eq!(
        by_rows(&over, &filter("lat > 5us")),
        [0_u64; 0],
        "it was given out without its end"
    );
}

#[test]
fn what_follows_the_end_of_the_recording_is_left_to_rows() {
    for layout in LAYOUTS {
        let mut trace = Trace::new(layout);
        trace.issue(1);
        trace.add(EventKind::End { status: None });
        trace.chunk();
        trace.issue(2);
        let bytes = trace.finish();
        assert!(matches!(found(&bytes, "write"), Err(SearchError::Odd)), "{layout:?}");
    }
}

#[test]
fn a_trace_that_is_another_by_now_is_not_searched() {
    let trace = |salt| {
        let writer = Writer::create(Vec::new(), &header(), salt, 7).unwrap();
        Trace { writer, time: 0 }.finish()
    };
    let (one, other) = (trace(1), trace(2));
    let open = |trace: &'static [u8]| Reader::open(Cursor::new(trace)).unwrap();
    let (one, other): (&[u8], &[u8]) = (one.leak(), other.leak());
    let filter = filter("write");
    assert!(Found::new(&filter, open(one), open(one)).is_some());
    assert!(Found::new(&filter, open(one), open(other)).is_none());
}

#[test]
fn what_lies_around_a_damaged_chunk_is_left_to_rows() {
    for layout in LAYOUTS {
        let mut trace = Trace::new(layout);
        trace.issue(1);
        trace.chunk();
        trace.issue(2);
        trace.chunk();
        let bytes = trace.finish();
        let filter = filter("id == 1");
        assert_eq!(found_rows(&bytes, &filter).unwrap(), rows(&bytes, &filter));
        // The last byte of the first body.
        let mut hurt = bytes.clone();
        hurt[chunk_at(&bytes, 1) - 1] ^= 1;
        assert!(matches!(found_rows(&hurt, &filter), Err(SearchError::Odd)), "{layout:?}");
    }
}

#[test]
fn damage_is_told_as_a_loss() {
    let mut trace = Trace::new(LAYOUTS[0]);
    trace.issue(1);
    trace.chunk();
    trace.issue(2);
    let mut bytes = trace.finish();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    let filter = ColumnFilter::of(&filter("write")).unwrap();
    let mut search = Search::new(Reader::open(Cursor::new(&bytes[..])).unwrap(), filter);
    while search.next_found().unwrap().is_some() {}
    assert!(search.loss().is_some());
}
