//! A side as rules leave it, against what rules say of each row.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::diff::{BudgetRule, Does, Mask, measure};
use crate::event::{MarkName, Payload, PayloadId};
use crate::query::{Filter, Metric, QueryError};
use crate::request::{ConnectionId, Digest, Errno, Flags, Operation, Request, RequestId};
use crate::rows::{Context, RowCompletion};
use crate::units::{ByteRange, Nanos};

/// Requests with their data; `None` of data that the trace does not have.
#[derive(Default)]
struct World {
    rows: Vec<Row>,
    data: Vec<Option<Bytes>>,
    marks: Vec<(MarkName, Nanos)>,
    /// How often rows were begun.
    begun: AtomicUsize,
}

impl World {
    fn with(mut self, operation: Operation, offset: u64, data: &[u8], stored: bool) -> World {
        let place = self.rows.len() as u64;
        let payload = match Payload::of(data) {
            Payload::Digest(digest) if stored => Payload::Stored(digest, PayloadId(place)),
            payload => payload,
        };
        self.rows.push(Row {
            id: RequestId(place * 10),
            device: DeviceId(0),
            connection: ConnectionId(0),
            cookie: 0,
            request: Request {
                operation,
                range: ByteRange::new(offset, data.len() as u64),
                flags: Flags::NONE,
            },
            event: place,
            time: Nanos(place * 1000),
            early: Nanos(0),
            epoch: 0,
            payload,
            completion: Some(RowCompletion {
                result: Ok(()),
                latency: Nanos(place),
                hold: Nanos(0),
                flags: crate::event::CompletionFlags::default(),
                extents: Vec::new(),
            }),
            context: Context::default(),
        });
        self.data.push(stored.then(|| Bytes::copy_from_slice(data)));
        self
    }

    fn write(self, offset: u64, data: &[u8]) -> World {
        self.with(Operation::Write, offset, data, true)
    }
}

struct Each<'a>(std::vec::IntoIter<Compared>, std::marker::PhantomData<&'a ()>);

impl Requests for Each<'_> {
    fn next_request(&mut self) -> Result<Option<Compared>, DiffError> {
        Ok(self.0.next())
    }
}

impl Side for World {
    fn devices(&self) -> u16 {
        1
    }

    fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
        let compared = |(place, row): (u64, &Row)| Compared {
            place,
            id: row.id,
            device: row.device,
            epoch: place,
            straddling: false,
            time: row.time,
            request: row.request,
            payload: row.payload,
            masked: false,
            result: row.completion.as_ref().map(|completion| completion.result),
        };
        let all = (0..).zip(&self.rows).map(compared);
        let meant: Vec<_> = all.filter(|one| part.epochs.contains(&one.epoch)).collect();
        Ok(Box::new(Each(meant.into_iter(), std::marker::PhantomData)))
    }

    fn epoch_sums(&self, _: DeviceId) -> Result<Option<EpochSums>, DiffError> {
        Ok(Some(EpochSums::default()))
    }

    fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        match of.payload {
            Payload::Stored(..) => Ok(self.data[usize::try_from(of.place).unwrap()].clone()),
            Payload::Zeroes => Ok(Some(vec![0; 4].into())),
            Payload::Absent | Payload::Digest(_) => Ok(None),
        }
    }
}

struct EachRow(std::vec::IntoIter<Row>);

impl SideRows for EachRow {
    fn next_row(&mut self) -> Result<Option<Row>, DiffError> {
        Ok(self.0.next())
    }
}

impl RowSource for World {
    fn rows(&self, _: bool) -> Result<Box<dyn SideRows + Send + '_>, DiffError> {
        self.begun.fetch_add(1, Relaxed);
        Ok(Box::new(EachRow(self.rows.clone().into_iter())))
    }

    fn filter(&self, text: &str) -> Result<Filter, QueryError> {
        Filter::parse(text, &["disk".to_owned()])
    }

    fn metric(&self, text: &str) -> Result<Metric, QueryError> {
        Metric::parse(text, &["disk".to_owned()])
    }

    fn mark(&self, name: &MarkName) -> Result<Option<Nanos>, DiffError> {
        Ok(self.marks.iter().find(|(known, _)| known == name).map(|(_, time)| *time))
    }
}

fn rule(does: Does, filter: &str) -> IgnoreRule {
    let filter = (!filter.is_empty()).then(|| filter.to_owned());
    IgnoreRule { name: "one".to_owned(), does, filter, at: None, preset: None }
}

fn mask(bytes: &str, filter: &str) -> IgnoreRule {
    rule(Does::Mask(bytes.parse::<Mask>().unwrap()), filter)
}

/// Places and payloads that are left.
fn left(world: &World, rules: &[IgnoreRule]) -> Vec<(u64, Payload, bool)> {
    let side = RuledSide::new(world, world, rules).unwrap();
    let mut requests = side.requests(&Part::ALL).unwrap();
    let mut left = Vec::new();
    while let Some(one) = requests.next_request().unwrap() {
        let payload = match one.payload {
            Payload::Stored(digest, _) => Payload::Digest(digest),
            payload => payload,
        };
        left.push((one.place, payload, one.masked));
    }
    left
}

fn meant(world: &World, rules: &[IgnoreRule]) -> (Vec<u64>, u64) {
    let Meant { by_rule, left_out } = RuledSide::new(world, world, rules).unwrap().meant().clone();
    (by_rule, left_out)
}

fn wrong(world: &World, rules: &[IgnoreRule]) -> String {
    let side = RuledSide::new(world, world, rules);
    side.err().expect("no error").to_string()
}

fn three() -> World {
    World::default().write(0, b"aaaa").write(4, b"bbbb").write(100, b"cccc")
}

#[test]
fn requests_are_left_out_where_a_filter_means_them_and_looked_at_where_another_does() {
    let places = |rules: &[IgnoreRule]| {
        left(&three(), rules).into_iter().map(|(place, ..)| place).collect::<Vec<_>>()
    };
    let out = || rule(Does::LeaveOut, "off == 4");
    let only = || rule(Does::LookOnly, "off < 100");
    assert_eq!(places(&[out()]), [0, 2]);
    assert_eq!(places(&[only()]), [0, 1]);
    assert_eq!(places(&[only(), out()]), [0]);
    assert_eq!(places(&[]), [0, 1, 2]);
    assert_eq!(meant(&three(), &[only(), out(), rule(Does::LeaveOut, "read")]), (vec![2, 1, 0], 2));
}

#[test]
fn what_is_masked_is_compared_as_if_zeroes_stood_there() {
    let rules = [mask("2..6", "")];
    assert_eq!(
        left(&three(), &rules),
        [
            (0, Payload::of(b"aa\0\0"), true),
            (1, Payload::of(b"\0\0bb"), true),
            (2, left(&three(), &[])[2].1, false),
        ]
    );
    assert_eq!(meant(&three(), &rules), (vec![2], 0));
    let all = left(&three(), &[mask("0..1k", "off < 4")]);
    assert_eq!(all[0].1, Payload::Zeroes, "of what is masked whole, nothing is left");
    let both = left(&three(), &[mask("0..1", ""), mask("1..2", "write")]);
    assert_eq!(both[0].1, Payload::of(b"\0\0aa"), "masks come together");
}

#[test]
fn zeroes_are_masked_without_being_read_so_that_they_equal_what_is_masked_to_zeroes() {
    let zeroes = World::default().with(Operation::Write, 0, &[0; 4], false);
    assert_eq!(left(&zeroes, &[mask("0..4", "")]), [(0, Payload::Zeroes, true)]);
}

#[test]
fn a_filter_is_asked_of_each_block_by_itself() {
    let mut data = vec![7; 64];
    data[16] = 9;
    data[48] = 9;
    let world = World::default().write(16, &data);
    let rules = [mask("1..2 in 16", "payload[0] == 9 && len == 16 && off in {32, 64}")];
    let mut masked = data.clone();
    masked[17] = 0;
    masked[49] = 0;
    assert_eq!(left(&world, &rules), [(0, Payload::of(&masked), true)]);
    assert_eq!(meant(&world, &rules), (vec![1], 0), "a request counts once");
    assert_eq!(meant(&world, &[mask("1..2 in 16", "payload[0] == 8")]), (vec![0], 0));
}

#[test]
fn data_that_the_trace_does_not_have_are_trouble_where_a_mask_or_a_filter_wants_them() {
    let digest = World::default().with(Operation::Write, 0, &[1; 64], false);
    let wants = [
        mask("0..4", ""),
        mask("0..4 in 16", "payload[0] == 1"),
        mask("0..4 in 16", ""),
        rule(Does::LeaveOut, "payload[0] == 1"),
    ];
    for rule in wants {
        let said = wrong(&digest, &[rule]);
        assert_eq!(
            said,
            "rule \"one\" asks for the data of request #0, and the trace does not have them"
        );
    }
    let others = [
        mask("64..68", ""),
        mask("0..4", "read"),
        mask("0..4 in 16", "read && payload[0] == 1"),
        mask("0..4 in 16", "has(payload) && payload[0] == 1"),
        rule(Does::LeaveOut, "read && payload[0] == 1"),
    ];
    for rule in others {
        assert_eq!(meant(&digest, std::slice::from_ref(&rule)).0, [0], "{rule:?}");
    }
}

#[test]
fn of_what_is_left_out_no_data_are_wanted_whichever_rule_stands_first() {
    let world = World::default().with(Operation::Write, 0, &[1; 64], false).write(64, &[2; 64]);
    let masks = mask("0..128", "");
    for out in [rule(Does::LeaveOut, "off == 0"), rule(Does::LookOnly, "off > 0")] {
        for rules in [[masks.clone(), out.clone()], [out, masks.clone()]] {
            assert_eq!(left(&world, &rules), [(1, Payload::Zeroes, true)], "{rules:?}");
            let (mut counts, left_out) = meant(&world, &rules);
            counts.sort_unstable();
            assert_eq!((counts, left_out), (vec![1, 1], 1), "a mask means what is compared");
        }
    }
}

#[test]
fn what_a_filter_cannot_be_told_in_its_first_pass_is_trouble() {
    let text = "off == max(off where payload[0] == 1)";
    let stored = World::default().write(0, &[1; 64]).write(64, &[2; 64]);
    assert_eq!(meant(&stored, &[rule(Does::LeaveOut, text)]), (vec![1], 1));
    let lacks = stored.with(Operation::Write, 128, &[1; 64], false);
    assert_eq!(
        wrong(&lacks, &[rule(Does::LeaveOut, text)]),
        "rule \"one\" asks for the data of request #20, and the trace does not have them"
    );
}

#[test]
fn rows_are_gone_over_again_only_for_masks_that_ask_for_more_than_is_compared() {
    let world = three();
    for (filter, times) in [("", 0), ("write && len == 4 && payload[0] > 0", 0), ("lat < 1s", 2)] {
        let rules = [mask("2..6", filter)];
        let side = RuledSide::new(&world, &world, &rules).unwrap();
        let mut requests = side.requests(&Part::ALL).unwrap();
        let first = requests.next_request().unwrap().unwrap();
        let second = requests.next_request().unwrap().unwrap();
        let before = world.begun.load(Relaxed);
        let data = |of| side.compared_data(of).unwrap().unwrap();
        assert_eq!(data(&second), &b"\0\0bb"[..], "{filter}");
        assert_eq!(data(&first), &b"aa\0\0"[..], "{filter}");
        assert_eq!(world.begun.load(Relaxed) - before, times, "{filter}");
    }
}

#[test]
fn a_request_without_its_row_is_trouble() {
    let out = [rule(Does::LeaveOut, "off == 4")];
    let trouble = |rows: &World| {
        let world = three();
        let side = RuledSide::new(&world, rows, &out);
        side.err().expect("no error").to_string()
    };
    let mut fewer = three();
    fewer.rows.pop();
    assert_eq!(trouble(&fewer), "request #20 is not where it was");
    let mut others = three();
    others.rows[1].id = RequestId(11);
    assert_eq!(trouble(&others), "request #10 is not where it was");
}

#[test]
fn of_a_request_that_failed_there_are_no_data_to_want() {
    let mut world = World::default().write(0, &[1; 16]);
    world.rows[0].payload = Payload::Absent;
    world.rows[0].completion.as_mut().unwrap().result = Err(Errno::EIO);
    assert_eq!(left(&world, &[mask("0..4", "")]), [(0, Payload::Absent, false)]);
    world.rows[0].completion.as_mut().unwrap().result = Ok(());
    assert!(wrong(&world, &[mask("0..4", "")]).contains("request #0"), "it had some");
}

#[test]
fn filters_may_ask_of_all_requests_and_for_marks() {
    let mut world = three();
    world.marks = vec![("boot".parse().unwrap(), Nanos(1000))];
    assert_eq!(meant(&world, &[rule(Does::LeaveOut, "off == max(off)")]), (vec![1], 1));
    assert_eq!(meant(&world, &[rule(Does::LeaveOut, "t < @'boot")]), (vec![1], 1));
    assert_eq!(meant(&world, &[rule(Does::LeaveOut, "lat * 2 > 200% * mean(lat)")]), (vec![1], 1));
    let said = wrong(&world, &[rule(Does::LeaveOut, "t < @'login")]);
    assert_eq!(said, "the filter of rule \"one\": the trace has no mark `login`");
}

#[test]
fn a_run_is_measured_in_one_pass_and_what_it_cannot_say_is_trouble() {
    let budgets = |texts: &[&str]| {
        texts.iter().map(|text| BudgetRule::parse(text).unwrap()).collect::<Vec<_>>()
    };
    let two = budgets(&["count(write) <= 5", "sum(len where off > 0) + 1 <= 5", "max(lat) <= 5ms"]);
    assert_eq!(measure(&two, &three()).unwrap(), [3, 9, 2]);
    let wrong = |text: &str| measure(&budgets(&[text]), &three()).unwrap_err().to_string();
    assert_eq!(
        wrong("p99(lat where read) <= +5%"),
        "budget \"p99(lat where read)\": no request of this trace can say p99(lat where read)"
    );
    assert!(wrong("p99(lat) <= 5").contains("a span of time and a number"));
    assert!(wrong("count(dev == other) <= 5").contains("`dev` is a device"));
    assert!(wrong("count(t < @'boot) <= 5").contains("no mark `boot`"));
}

#[test]
fn a_filter_that_means_nothing_is_trouble_with_its_place() {
    let mut wrong = rule(Does::LeaveOut, "of == 3");
    wrong.at = Some("blkreplay.toml:9".to_owned());
    let error = SideRules::of(&[wrong], &|text| three().filter(text)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the filter of rule \"one\" (blkreplay.toml:9): unknown field `of`"
    );
    assert!(error.shown().unwrap().contains("1 │ of == 3\n  │ ^^ did you mean `op`?"));
}

#[test]
fn data_as_they_are_compared_have_zeroes_where_they_are_masked() {
    let world = three();
    let side = RuledSide::new(&world, &world, &[mask("2..6", "")]).unwrap();
    let mut requests = side.requests(&Part::ALL).unwrap();
    let mut all = Vec::new();
    while let Some(one) = requests.next_request().unwrap() {
        all.push(one);
    }
    let expected: [&[u8]; 3] = [b"aa\0\0", b"\0\0bb", b"cccc"];
    for place in [0, 1, 2, 1, 0] {
        let data = side.compared_data(&all[place]).unwrap().unwrap();
        assert_eq!(data, expected[place], "{place}");
        let whole: [&[u8]; 3] = [b"aaaa", b"bbbb", b"cccc"];
        assert_eq!(side.data(&all[place]).unwrap().unwrap(), whole[place]);
    }
}

#[test]
fn parts_are_the_same_in_any_order_they_are_gone_over() {
    let world = three();
    let rules = [mask("2..6", "")];
    let side = RuledSide::new(&world, &world, &rules).unwrap();
    let whole = left(&world, &rules);
    for epoch in [2, 0, 1, 1, 2, 0] {
        let part = Part { device: None, epochs: epoch..epoch + 1 };
        let mut requests = side.requests(&part).unwrap();
        let one = requests.next_request().unwrap().unwrap();
        let Payload::Stored(digest, _) = one.payload else { panic!("{one:?}") };
        let told = (one.place, Payload::Digest(digest), one.masked);
        assert_eq!(Some(&told), whole.get(usize::try_from(epoch).unwrap()));
        assert!(requests.next_request().unwrap().is_none());
    }
    assert!(side.epoch_sums(DeviceId(0)).unwrap().is_none());
    assert_ne!(Payload::Digest(Digest(0)), whole[0].1);
}
