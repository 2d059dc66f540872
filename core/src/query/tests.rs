//! Tests of the language: what is accepted and refused and in which words, what it means, and that it can be written again.

use proptest::prelude::*;

use super::error::QueryError;
use super::parse::parse;
use super::tree::{Call, Item, Items, Limits, Node, Operator, Part, Relation, What};
use super::{FIELDS, Field, Filter, Needs};
use crate::event::{CompletionFlags, MarkName, Payload};
use crate::request::{ConnectionId, DeviceId, Errno, Flags, Operation, Request, RequestId};
use crate::rows::{Context, Row, RowCompletion};
use crate::units::{ByteRange, Nanos};

fn devices() -> Vec<String> {
    vec!["disk".to_owned(), "swap".to_owned()]
}

fn filter(text: &str) -> Result<Filter, QueryError> {
    Filter::parse(text, &devices())
}

/// A write of 4 KiB at 1 MiB that took 6 ms.
fn row() -> Row {
    Row {
        id: RequestId(7),
        device: DeviceId(1),
        connection: ConnectionId(2),
        cookie: 0x2a,
        request: Request {
            operation: Operation::Write,
            range: ByteRange::new(1 << 20, 4096),
            flags: Flags::FUA,
        },
        event: 19,
        time: Nanos(1_500_000_000),
        early: Nanos(0),
        epoch: 3,
        payload: Payload::Zeroes,
        completion: Some(RowCompletion {
            result: Ok(()),
            latency: Nanos(6_000_000),
            hold: Nanos(10_000),
            flags: CompletionFlags::default(),
            extents: Vec::new(),
        }),
        context: Context::default(),
    }
}

fn failed() -> Row {
    let mut row = row();
    row.completion.as_mut().unwrap().result = Err(Errno::EIO);
    row
}

/// A flush that was never answered.
fn open() -> Row {
    let request =
        Request { operation: Operation::Flush, range: ByteRange::new(0, 0), flags: Flags::NONE };
    Row { request, payload: Payload::Absent, completion: None, ..row() }
}

#[test]
fn a_filter_means_what_it_says() {
    for (text, plain, failed_one, never_answered) in [
        ("write", true, true, false),
        ("!read", true, true, true),
        ("op == write && lba in 0..4096 && latency > 5ms", true, true, false),
        ("lba in 0..2048", false, false, true),
        ("lba in 0..=2048", true, true, true),
        ("write and fua", true, true, false),
        ("op in {write, zero, discard}", true, true, false),
        ("op not in {read flush}", true, true, false),
        ("lat >= 6ms or err", true, true, false),
        ("err", false, true, false),
        ("err == EIO", false, true, false),
        ("err != EIO", false, false, false),
        ("!(err == EIO)", true, false, true),
        ("result == ok", true, false, false),
        ("result != ok", false, true, false),
        ("result in {EIO, ENOSPC}", false, true, false),
        ("off % 4k != 0", false, false, false),
        ("off & 0xfff == 0", true, true, true),
        ("len == 4096 && off overlaps 1M..2M", true, true, false),
        ("off overlaps ..1M", false, false, false),
        ("off overlaps ..=1M", true, true, false),
        ("lba overlaps 2050..", true, true, false),
        ("t in 1.2s..1.6s", true, true, true),
        ("t + lat > 1.506s", false, false, false),
        ("t + lat >= 1.506s", true, true, false),
        ("tc == 1506010us", true, true, false),
        ("lat / hold == 600", true, true, false),
        ("lat * 2 > 11ms", true, true, false),
        ("epoch in 3..", true, true, true),
        ("epoch in ..3", false, false, false),
        ("id in {1, 5, 7..20}", true, true, true),
        ("seq not in {1, 5, 7..20}", false, false, false),
        ("not done", false, false, true),
        ("done", true, true, false),
        ("lat < 1h", true, true, false),
        ("!(lat < 1h)", false, false, true),
        ("has(lat)", true, true, false),
        ("lat", true, true, false),
        ("end > 1M && (discard || write)", true, true, false),
        ("lba eq 2048 and op ne flush", true, true, false),
        ("nbd.cookie == 0x2a", true, true, true),
        ("nbd.from == 0x100000 && nbd.len > 4000", true, true, false),
        ("dev == swap", true, true, true),
        ("dev != swap", false, false, false),
        ("dev in {disk}", false, false, false),
        ("zeroes and conn == 2", true, true, false),
        ("-1 < id - 7 + 1", true, true, true),
        ("(len + off) % 8 == 0", true, true, true),
        ("write == op", true, true, false),
        ("nlb == 8 and lba_end == 2056", true, true, false),
        ("event == 19", true, true, true),
        ("len == 1_000_000 or len == 4kB + 96", true, true, false),
        (
            "id * 9223372036854775807 * 9223372036854775807 * 9223372036854775807 > 0",
            false,
            false,
            false,
        ),
    ] {
        let filter = filter(text).unwrap_or_else(|error| panic!("{text}: {}", error.shown(text)));
        let found = [row(), failed(), open()].map(|row| filter.matches(&row));
        assert_eq!(found, [plain, failed_one, never_answered], "{text}");
    }
}

#[test]
fn what_is_no_filter_is_refused_where_it_is_wrong() {
    for (text, place, what) in [
        ("", 0..0, "the filter is empty"),
        ("op = write", 3..4, "`=` cannot stand here"),
        ("lba in 0...2048", 8..11, "`...` is no range"),
        ("lat > 5mss", 7..10, "`mss` is no unit"),
        ("op ==", 5..5, "the filter ends too early"),
        ("(write", 0..1, "`(` is not closed"),
        ("write write", 6..11, "`write` cannot stand here"),
        ("in {1}", 0..2, "`in` cannot stand here"),
        ("&& write", 0..2, "`&&` cannot stand here"),
        ("op == \"unterminated", 6..7, "the string is not closed"),
        ("write)", 5..6, "`)` cannot stand here"),
        ("lenght > 4k", 0..6, "unknown field `lenght`"),
        ("wriet", 0..5, "unknown field `wriet`"),
        ("lat > 5", 6..7, "a span of time and a number"),
        ("5 < lat", 0..1, "a span of time and a number"),
        ("lat in 1..5ms", 7..8, "a span of time and a number"),
        ("len > 5ms", 0..3, "a span of time and a number"),
        ("op < write", 0..10, "`op` is an operation: one is not less than another"),
        ("op == 5", 6..7, "`op` is an operation"),
        ("op == disk", 6..10, "`op` is an operation"),
        ("err == EFOO", 7..11, "`err` is ok or an errno"),
        ("dev == other", 7..12, "`dev` is a device"),
        ("fua == 1", 7..8, "`fua` is yes or no"),
        ("op in read..write", 0..2, "`op` is an operation, and has no ranges"),
        ("EIO", 0..3, "`EIO` alone says nothing"),
        ("5", 0..1, "a number says neither yes nor no"),
        ("off % 0 == 0", 6..7, "nothing is divided by zero"),
        ("off / (4 - 4) == 0", 6..13, "nothing is divided by zero"),
        ("lat * lat > 1", 0..9, "spans of time cannot be put together so"),
        ("5 / lat > 1", 0..7, "a number over a span of time is neither"),
        ("1 < id < 5", 7..8, "comparisons do not follow each other"),
        ("id in {}", 7..8, "`}` cannot stand here"),
        ("id in 1", 7..7, "the filter ends too early"),
        ("id in ..", 8..8, "the filter ends too early"),
        ("id in 1..=", 10..10, "the filter ends too early"),
        ("id not 5", 7..8, "a number cannot stand here"),
        ("has(5)", 4..5, "a number cannot stand here"),
        ("has(nothing)", 4..11, "unknown field `nothing`"),
        ("len overlaps 1..2", 0..3, "`len` is not where a request begins"),
        ("len > 0x", 6..8, "`0x` is no number"),
        ("len > 1.5", 6..9, "`1.5` is no number"),
        ("len > 99999999999999999999", 6..26, "`99999999999999999999` is no number"),
        ("id == (write)", 6..13, "`write` is no number"),
        ("(id > 5) > 4", 0..8, "this is no number"),
        ("µ > 5", 0..2, "unknown field `µ`"),
    ] {
        let error = filter(text).expect_err(text);
        assert_eq!(
            (error.place.clone(), error.what.as_str()),
            (place, what),
            "{text}: {}",
            error.shown(text)
        );
    }
    let deep = format!("{}write{}", "(".repeat(900), ")".repeat(900));
    assert!(filter(&deep).unwrap_err().what.contains("inside of each other"));
    let long = format!("id > {}", "1 + ".repeat(100_000));
    assert_eq!(filter(&long).unwrap_err().what, "more than 2000 words and signs");
    let many: Vec<_> = (0..17).map(|least| format!("lat > p50(lat where id > {least})")).collect();
    assert!(filter(&many[..16].join(" or ")).is_ok());
    let error = filter(&many.join(" or ")).unwrap_err();
    assert_eq!(error.what, "more than 16 functions over all requests");
    let patterns = ["payload ~ \"a\""; 9].join(" or ");
    assert_eq!(filter(&patterns).unwrap_err().what, "more than 8 regular expressions");
    assert!(filter(&"!".repeat(1000)).unwrap_err().what.contains("inside of each other"));
}

#[test]
fn an_error_points_at_the_place_and_says_what_to_try() {
    let shown = |text: &str| filter(text).unwrap_err().shown(text);
    assert_eq!(
        shown("op == write && lenght > 4k"),
        "unknown field `lenght`
  ┌─ filter:1:16
1 │ op == write && lenght > 4k
  │                ^^^^^^ did you mean `len` (alias `length`)?
  = help: blkreplay help filter  lists the fields"
    );
    assert_eq!(
        shown("op = write"),
        "`=` cannot stand here
  ┌─ filter:1:4
1 │ op = write
  │    ^ expected and, or, or the end
  = help: use `==` to compare"
    );
    assert_eq!(
        shown("lat > 5"),
        "a span of time and a number
  ┌─ filter:1:7
1 │ lat > 5
  │       ^ this is a number
  = help: a span needs a unit: 5ms?"
    );
    assert_eq!(
        shown("µ\u{1b}== (write"),
        "`\\u{1b}` means nothing here
  ┌─ filter:1:2
1 │ µ == (write
  │  ^ not part of the language"
    );
}

/// What an aggregate says of rows with these latencies, in ms; `None` of one that was never answered. One row a second.
fn said(aggregate: &str, latencies: &[Option<u64>]) -> Vec<bool> {
    let rows: Vec<Row> = (0_u64..)
        .zip(latencies)
        .map(|(number, latency)| {
            let mut row = Row { time: Nanos(number * 1_000_000_000), ..row() };
            row.completion = latency.map(|latency| RowCompletion {
                latency: Nanos(latency * 1_000_000),
                ..row.completion.clone().unwrap()
            });
            row
        })
        .collect();
    let mut filter = filter(aggregate).unwrap();
    assert!(rows.iter().all(|row| !filter.matches(row)), "nothing holds before it is settled");
    let mut totals = filter.first_pass();
    for row in &rows {
        totals.add(row);
    }
    filter.settle(&totals);
    assert_eq!(filter.needs(), Needs::default());
    rows.iter().map(|row| filter.matches(row)).collect()
}

#[test]
fn what_all_requests_say_together_is_known_when_they_were_seen() {
    let some = [Some(1), None, Some(3), Some(9), Some(2)];
    for (text, expected) in [
        ("lat == p50(lat)", [false, false, false, false, true]),
        ("lat == p90(lat)", [false, false, false, true, false]),
        ("lat == max(lat)", [false, false, false, true, false]),
        ("lat == min(lat where lat > 1ms)", [false, false, false, false, true]),
        ("lat * 5 > mean(lat) * 4", [false, false, false, true, false]),
        ("count() == 5", [true; 5]),
        ("count(lat) == 4", [true; 5]),
        ("count(done where lat > 2ms) == 2", [true; 5]),
        ("sum(lat) == 15ms", [true; 5]),
        ("mean(lat) == 3750us", [true; 5]),
        ("stddev(lat) in 3112us..3113us", [true; 5]),
        ("rate(done) == 1 and rate(len) == 5120", [true; 5]),
        ("mean(lat where read) < 1h", [false; 5]),
        ("sum(len where read) == 0", [true; 5]),
        ("abs(0 - count(write)) == min(5, count() + 1)", [true; 5]),
    ] {
        assert_eq!(said(text, &some), expected, "{text}");
    }
    assert_eq!(said("rate(write) > 0", &[Some(1)]), [false], "no time has passed");
    assert_eq!(said("mean(lat) > 0ns", &[None, None]), [false, false]);
}

#[test]
fn a_filter_says_what_it_needs() {
    let none = Needs::default();
    for (text, needs) in [
        ("write && lat > 5ms && hash == \"xxh3:1\"", none),
        ("has(payload)", none),
        ("payload[0] == 1", Needs { data: true, ..none }),
        ("crc32(payload) == 1", Needs { data: true, ..none }),
        ("hash(payload[0:4]) == \"xxh3:1\"", Needs { data: true, ..none }),
        ("count(payload contains \"a\") > 1", Needs { data: true, first_pass: true, ..none }),
        ("seek > 2 * mean(abs(seek))", Needs { context: true, first_pass: true, ..none }),
        ("lat > mean(gap)", Needs { context: true, first_pass: true, ..none }),
        ("id in 1..step", Needs { context: true, ..none }),
        ("note == \"a\"", Needs { context: true, ..none }),
        ("!has(never_written)", Needs { context: true, written: true, ..none }),
        ("t in @'a..", Needs { marks: true, ..none }),
    ] {
        assert_eq!(filter(text).unwrap().needs(), needs, "{text}");
    }
}

#[test]
fn times_of_marks_are_told_and_one_that_is_not_there_has_its_place() {
    let mut known = filter("t >= @'a and t < @\"b c\" + 1s").unwrap();
    assert_eq!(known.marks().map(MarkName::as_str).collect::<Vec<_>>(), ["a", "b c"]);
    assert!(!known.matches(&row()), "nothing holds before it is settled");
    let error = known.settle_marks(&[Some(Nanos(0)), None]).unwrap_err();
    assert_eq!((error.place, error.what.as_str()), (17..23, "the trace has no mark `b c`"));
    known.settle_marks(&[Some(Nanos(0)), Some(Nanos(600_000_000))]).unwrap();
    assert!(known.matches(&row()));
    assert_eq!(known.needs(), Needs::default());
    assert!(filter("t > @00:00:01").unwrap_err().what.contains("not known here"));
}

#[test]
fn names_are_those_of_one_field() {
    let mut names: Vec<&str> = FIELDS
        .iter()
        .flat_map(|field| std::iter::once(field.name).chain(field.aliases.iter().copied()))
        .collect();
    for name in &names {
        assert!(Field::named(name).is_some(), "{name}");
    }
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn the_first_term_that_refuses_a_request_is_told() {
    let filter = filter("write and lat > 5ms && (len > 4k or id == 3)").unwrap();
    assert_eq!(filter.terms().collect::<Vec<_>>(), ["write", "lat > 5ms", "(len > 4k or id == 3)"]);
    assert_eq!([row(), open()].map(|row| filter.refused_by(&row)), [Some(2), Some(0)]);
}

fn node(what: What) -> Node {
    Node { what, place: 0..0 }
}

/// Regular expressions, as far as the parser looks at them.
fn patterns() -> impl Strategy<Value = Box<Node>> {
    let pieces = prop::sample::select(vec!["a", "\\\"", "\\\\", "[", "ü", " ", "(", "\\d", "\n"]);
    let text = prop::collection::vec(pieces, 0..5).prop_map(|pieces| pieces.concat());
    text.prop_map(|text| Box::new(node(What::Pattern(text))))
}

fn parts() -> impl Strategy<Value = Part> {
    prop_oneof![
        any::<u64>().prop_map(Part::One),
        any::<u64>().prop_map(|from| Part::Between(from, None)),
        (0..9_u64, 1..9_u64).prop_map(|(from, more)| Part::Between(from, Some(from + more))),
    ]
}

/// Trees of any form.
fn trees() -> impl Strategy<Value = Node> {
    let words = prop::sample::select(vec!["id", "lat", "write", "EIO", "nbd.from", "x"]);
    let leaf = prop_oneof![
        words.prop_map(|word| What::Word(word.to_owned())),
        (0..i128::from(u64::MAX)).prop_map(What::Number),
        (0..i128::from(u64::MAX)).prop_map(What::Span),
        (0..i128::from(u64::MAX)).prop_map(What::Percent),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(What::Text),
        any::<String>().prop_map(|text| What::Text(text.into_bytes())),
        prop::collection::vec(any::<u8>(), 2..6).prop_map(What::Bytes),
        any::<String>().prop_map(What::Mark),
        (0..360_000_000_000_000_i128).prop_map(What::Clock),
        Just(What::Has(Box::new(node(What::Word("lat".to_owned()))))),
    ];
    leaf.prop_map(node).prop_recursive(5, 40, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let relations = prop::sample::select(Relation::NAMES.map(|(one, ..)| one).to_vec());
        let operators = prop::sample::select(Operator::NAMES.map(|(one, _)| one).to_vec());
        let several = prop::collection::vec(inner.clone(), 2..4);
        let limits = (prop::option::of(inner.clone()), inner.clone(), any::<bool>())
            .prop_map(|(low, high, inclusive)| Limits { low, high: Some(high), inclusive });
        let without_end =
            inner.clone().prop_map(|low| Limits { low: Some(low), high: None, inclusive: false });
        let limits = prop_oneof![limits, without_end];
        let item =
            prop_oneof![inner.clone().prop_map(Item::One), limits.clone().prop_map(Item::Limits)];
        let items = prop_oneof![
            limits.clone().prop_map(|limits| Items::Limits(Box::new(limits))),
            prop::collection::vec(item, 1..4).prop_map(Items::Set),
        ];
        prop_oneof![
            several.clone().prop_map(What::Or),
            several.prop_map(What::And),
            boxed.clone().prop_map(What::Not),
            boxed.clone().prop_map(What::Minus),
            (relations, boxed.clone(), boxed.clone())
                .prop_map(|(relation, left, right)| What::Compare(relation, left, right)),
            (operators, boxed.clone(), boxed.clone())
                .prop_map(|(operator, left, right)| What::Arithmetic(operator, left, right)),
            (boxed.clone(), any::<bool>(), items).prop_map(|(value, not, items)| What::In {
                value,
                not,
                items
            }),
            (boxed.clone(), limits)
                .prop_map(|(value, limits)| What::Overlaps(value, Box::new(limits))),
            (boxed.clone(), boxed.clone()).prop_map(|(value, inner)| What::Contains(value, inner)),
            (boxed.clone(), patterns()).prop_map(|(value, pattern)| What::Matches(value, pattern)),
            (boxed.clone(), parts()).prop_map(|(value, part)| What::Part(value, part)),
            (
                prop::sample::select(vec!["p99", "min", "count", "nothing"]),
                prop::collection::vec(inner, 0..3),
                prop::option::of(boxed)
            )
                .prop_map(|(name, arguments, of)| What::Call(Call {
                    name: name.to_owned(),
                    arguments,
                    of
                })),
        ]
        .prop_map(node)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_parses_to_the_same_tree(tree in trees()) {
        let text = tree.to_string();
        let again = parse(&text).map_err(|error| TestCaseError::fail(error.shown(&text)))?;
        prop_assert_eq!(again, tree, "{}", text);
    }

    #[test]
    fn any_text_is_a_filter_or_an_error_with_a_place_in_it(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "op", "write", "lat", ">", "==", "=", "(", ")", "{", "}", "in", "not", "..", "..=", "5", "5ms", "0x", "1.5",
                "&&", "or", "!", "-", "%", "&", ",", "err", "EIO", "has", "overlaps", "off", "µ", "\"", "4k", " ", "99999999999999999999", "0",
                "payload", "[", "]", ":", "contains", "matches", "~", "\"a", "a\"", "\\", "53:ef", "@'a", "@08:30:00", "p99(", "where", "hash", "note",
            ]),
            0..24,
        ),
        space in any::<bool>(),
    ) {
        let text = parts.join(if space { " " } else { "" });
        match filter(&text) {
            Ok(filter) => {
                filter.matches(&row());
                filter.matches(&open());
                prop_assert!(filter.terms().all(|term| !term.is_empty()));
            }
            Err(error) => {
                prop_assert!(text.get(error.place.clone()).is_some(), "{:?}", error);
                prop_assert!(error.shown(&text).contains("│"));
            }
        }
    }
}
