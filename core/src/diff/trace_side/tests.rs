//! Random small traces as sides, held against the definitions of epoch and straddling, event by event.

use std::io::Cursor;

use super::*;
use crate::diff::{Align, Beginning, Pairing, Until};
use crate::event::{Block, CompletionFlags, Event, EventKind, Issue};
use crate::format::{
    DeviceHeader, Edits, Entry, Fingerprint, FingerprintMethod, Header, LimitsHeader,
    PayloadPolicy, Writer,
};
use crate::request::{ConnectionId, Errno, Flags, Operation, Request, RequestId};
use crate::units::{ByteRange, Nanos};

const DEVICES: u16 = 3;
const SEEDS: u64 = 300;

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }

    /// A place in a list.
    fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}

fn header(names: &[&str]) -> Header {
    let device = |name: &&str| DeviceHeader {
        name: (*name).to_owned(),
        image: String::new(),
        format: "raw".to_owned(),
        size: 1 << 20,
        block_min: 1,
        block_preferred: 4096,
        read_only: false,
        discard: true,
        fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
    };
    Header {
        tool: "test".to_owned(),
        command: Vec::new(),
        wall_clock_ns: 0,
        payload: PayloadPolicy::All,
        devices: names.iter().map(device).collect(),
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 1 << 26, connection_requests: 1024 },
        recovered: None,
        replay: None,
        edits: Edits::default(),
    }
}

fn issue(id: u64, dice: &mut Dice) -> (Issue, Option<Bytes>) {
    let operation = Operation::from_number([0, 1, 1, 2, 4, 4][dice.place(6)]).unwrap();
    let flush = operation == Operation::Flush;
    let range = ByteRange::new(dice.below(8) * 512, 512);
    let data = (operation == Operation::Write)
        .then(|| Bytes::from(vec![dice.below(4).to_le_bytes()[0]; 512]));
    let fua = operation == Operation::Write && dice.below(4) == 0;
    let issue = Issue {
        id: RequestId(id),
        device: DeviceId(u16::try_from(dice.below(DEVICES.into())).unwrap()),
        connection: ConnectionId(0),
        cookie: 0,
        request: Request {
            operation,
            range: if flush { ByteRange::default() } else { range },
            flags: if fua { Flags::FUA } else { Flags::NONE },
        },
        payload: data.as_deref().map_or(Payload::Absent, Payload::of),
        early: Nanos(0),
    };
    (issue, data)
}

fn block(issue: &Issue, dice: &mut Dice) -> (Block, Option<Bytes>) {
    let failed = dice.below(8) == 0;
    let data = (issue.request.operation == Operation::Read && !failed)
        .then(|| Bytes::from(vec![dice.below(4).to_le_bytes()[0]; 512]));
    let block = Block {
        id: issue.id,
        device: issue.device,
        operation: issue.request.operation,
        result: if failed { Err(Errno::EIO) } else { Ok(()) },
        latency: Nanos(0),
        hold: Nanos(0),
        flags: CompletionFlags::default(),
        payload: data.as_deref().map_or(Payload::Absent, Payload::of),
        extents: Vec::new(),
    };
    (block, data)
}

/// What a random client does, and after which events a chunk ends.
fn script(seed: u64) -> (Vec<Entry>, Vec<usize>) {
    let mut dice = Dice(seed);
    let (mut entries, mut cuts, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let (length, depth) = (dice.below(80), 1 + dice.below(9));
    let mut id = 0;
    while id < length || !open.is_empty() {
        if id < length && (open.is_empty() || dice.below(depth) > open.len() as u64 / 2) {
            let (issue, data) = issue(id, &mut dice);
            open.push(issue.clone());
            entries.push((EventKind::Issue(issue), data));
            id += 1;
        } else {
            let issue: Issue = open.remove(dice.place(open.len()));
            let (block, data) = block(&issue, &mut dice);
            entries.push((EventKind::Block(block), data));
        }
        if dice.below(6) == 0 {
            cuts.push(entries.len());
        }
    }
    entries.push((EventKind::End { status: None }, None));
    let timed = (0..).zip(entries);
    let entry = |(time, (kind, data))| Entry { event: Event { time: Nanos(time), kind }, data };
    (timed.map(entry).collect(), cuts)
}

fn written(entries: &[Entry], cuts: &[usize]) -> Vec<u8> {
    let mut writer = Writer::create(Vec::new(), &header(&["a", "b", "c"]), 7, 9).unwrap();
    for (place, entry) in (1..).zip(entries) {
        writer.append(Entry { event: entry.event.clone(), data: entry.data.clone() }).unwrap();
        if cuts.contains(&place) {
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap().0
}

fn opened(trace: &[u8]) -> Reader<Cursor<Vec<u8>>> {
    Reader::open(Cursor::new(trace.to_vec())).unwrap()
}

fn side(trace: &[u8], which: Which, pairing: &Pairing) -> TraceSide<Cursor<Vec<u8>>> {
    let trace = trace.to_vec();
    TraceSide::new(move || Ok(opened(&trace)), which, pairing)
}

fn base(trace: &[u8]) -> TraceSide<Cursor<Vec<u8>>> {
    let header = header(&["a", "b", "c"]);
    side(trace, Which::Base, &Pairing::of(&header, &header))
}

fn all(side: &dyn Side, part: &Part) -> Result<Vec<Compared>, DiffError> {
    let mut requests = side.requests(part)?;
    let mut all = Vec::new();
    while let Some(request) = requests.next_request()? {
        all.push(request);
    }
    Ok(all)
}

/// All requests of the events, by definition.
fn obvious(events: &[Event], barrier: Barrier) -> Vec<Compared> {
    let issues: Vec<(usize, &Event, &Issue)> = (0..)
        .zip(events)
        .filter_map(|(at, event)| match &event.kind {
            EventKind::Issue(issue) => Some((at, event, issue)),
            _ => None,
        })
        .collect();
    let end = |id: RequestId| {
        (0..).zip(events).find_map(|(at, event)| match &event.kind {
            EventKind::Block(block) if block.id == id => Some((at, block)),
            _ => None,
        })
    };
    let flight = |at, id| at..end(id).map_or(usize::MAX, |(end, _)| end);
    let request = |place: u64, at: usize, event: &Event, issue: &Issue| {
        let barriers = issues.iter().filter(|(_, _, other)| {
            other.device == issue.device && barrier.is(&other.request) && other.id != issue.id
        });
        let flights: Vec<_> = barriers.map(|(at, _, other)| flight(*at, other.id)).collect();
        let own = flight(at, issue.id);
        let end = end(issue.id).map(|(_, block)| block);
        let read = end.map(|block| block.payload).filter(|payload| *payload != Payload::Absent);
        Compared {
            place,
            id: issue.id,
            device: issue.device,
            epoch: flights.iter().filter(|flight| flight.end < at).count() as u64,
            straddling: flights.iter().any(|one| one.start < own.end && own.start < one.end),
            time: event.time,
            request: issue.request,
            payload: read.unwrap_or(issue.payload),
            masked: false,
            result: end.map(|block| block.result),
        }
    };
    (0..)
        .zip(&issues)
        .map(|(place, (at, event, issue))| request(place, *at, event, issue))
        .collect()
}

fn events(trace: &[u8]) -> Vec<Event> {
    let mut reader = opened(trace);
    std::iter::from_fn(|| reader.next_event().unwrap()).map(|(_, event)| event).collect()
}

fn of_part(all: &[Compared], part: &Part) -> Vec<Compared> {
    let taken = all.iter().filter(|request| {
        part.device.is_none_or(|device| device == request.device)
            && part.epochs.contains(&request.epoch)
    });
    taken.copied().collect()
}

#[test]
fn a_part_is_the_same_however_the_trace_is_cut_into_chunks_and_wherever_it_begins() {
    for seed in 0..SEEDS {
        let (entries, cuts) = script(seed);
        let trace = written(&entries, &cuts);
        let events = events(&trace);
        for (barrier, name) in Barrier::NAMES {
            let obvious = obvious(&events, barrier);
            let side = base(&trace).by(barrier);
            assert_eq!(all(&side, &Part::ALL).unwrap(), obvious, "seed {seed}, {name}");
            let last = obvious.iter().map(|request| request.epoch).max().unwrap_or(0);
            for start in 0..=last + 1 {
                for (device, epochs) in [(None, start..last), (Some(0), start..start + 2)]
                    .into_iter()
                    .chain((0..DEVICES).map(|device| (Some(device), start..start + 1)))
                {
                    let part = Part { device: device.map(DeviceId), epochs };
                    let found = all(&side, &part).unwrap();
                    assert_eq!(found, of_part(&obvious, &part), "seed {seed}, {name}, {part:?}");
                }
            }
        }
    }
}

#[test]
fn summaries_have_the_sums_of_all_epochs_whatever_the_chunks() {
    let mut several = 0;
    for seed in 0..SEEDS {
        let (entries, cuts) = script(seed);
        let (trace, whole) = (written(&entries, &cuts), written(&entries, &[]));
        let obvious = obvious(&events(&trace), Barrier::Flush);
        for device in (0..DEVICES).map(DeviceId) {
            let sums = base(&trace).epoch_sums(device).unwrap().unwrap();
            assert_eq!(Some(&sums), base(&whole).epoch_sums(device).unwrap().as_ref());
            let of =
                |epoch| of_part(&obvious, &Part { device: Some(device), epochs: epoch..epoch + 1 });
            let counts: Vec<u64> = sums.epochs.iter().map(|(count, _)| *count).collect();
            let expected = (0..counts.len() as u64).map(|epoch| of(epoch).len() as u64);
            assert!(counts.iter().copied().eq(expected), "seed {seed}: {counts:?}");
            assert!(of(counts.len() as u64).is_empty(), "seed {seed}");
            several += usize::from(counts.len() > 3);
        }
        assert_eq!(base(&trace).by(Barrier::FlushFua).epoch_sums(DeviceId(0)).unwrap(), None);
    }
    assert!(several > 100, "{several}");
}

#[test]
fn requests_that_never_ended_are_in_no_sum_so_none_are_given() {
    let (mut entries, _) = script(7);
    let lost = entries.iter().rposition(|entry| matches!(entry.event.kind, EventKind::Block(_)));
    entries.remove(lost.unwrap());
    let trace = written(&entries, &[]);
    assert_eq!(base(&trace).epoch_sums(DeviceId(0)).unwrap(), None);
    assert_eq!(all(&base(&trace), &Part::ALL).unwrap(), obvious(&events(&trace), Barrier::Flush));
}

#[test]
fn a_cut_trace_is_trouble_unless_that_is_allowed_and_then_it_goes_as_far_as_it_is_whole() {
    for seed in 0..SEEDS / 3 {
        let (entries, cuts) = script(seed);
        let whole = written(&entries, &cuts);
        let trace = &whole[..whole.len() - Dice(seed).place(whole.len() / 2) - 1];
        let Ok(mut reader) = Reader::open(Cursor::new(trace)) else { continue };
        while reader.next_event().unwrap().is_some() {}
        let Some(loss) = reader.loss() else { continue };
        let refused = base(trace).extent().unwrap();
        assert!(refused.loss.is_some() || all(&base(trace), &Part::ALL).is_err(), "seed {seed}");
        match all(&base(trace), &Part::ALL) {
            Err(DiffError::Side { which: Which::Base, source }) => {
                assert!(matches!(*source, DiffError::Loss(_)), "seed {seed}: {source}");
            }
            other => panic!("seed {seed}: {other:?}"),
        }
        let side = base(trace).allowing_loss();
        let obvious = obvious(&events(trace), Barrier::Flush);
        let extent = side.extent().unwrap();
        assert_eq!(extent.loss.as_ref().unwrap().offset, loss.offset, "seed {seed}");
        assert_eq!(extent.requests, obvious.len() as u64, "seed {seed}");
        assert_eq!(all(&side, &Part::ALL).unwrap(), obvious, "seed {seed}");
        for align in [Align::Order, Align::Epoch] {
            let until = Until::both(&extent, &base(&whole).extent().unwrap(), align);
            let (cut, other) = (Beginning::of(&side, until.clone()), base(&whole));
            let other = Beginning::of(&other, until);
            for part in (0..DEVICES)
                .map(|device| Part { device: Some(DeviceId(device)), epochs: 1..9 })
                .chain([Part::ALL])
            {
                let (cut, other) = (all(&cut, &part).unwrap(), all(&other, &part).unwrap());
                assert_eq!(told(&cut), told(&other), "seed {seed}, {align:?}, {part:?}");
            }
        }
    }
}

/// What is compared: what is cut cannot know which barriers were issued later.
fn told(requests: &[Compared]) -> Vec<Compared> {
    let told = requests.iter().map(|request| Compared { straddling: false, ..*request });
    told.collect()
}

#[test]
fn how_far_a_whole_trace_goes_is_said_by_its_summaries_as_by_its_events() {
    for seed in 0..SEEDS / 3 {
        let (entries, cuts) = script(seed);
        let trace = written(&entries, &cuts);
        for (barrier, name) in Barrier::NAMES {
            let (said, read) = (base(&trace).by(barrier), base(&trace).by(barrier).allowing_loss());
            let (said, read) = (said.extent().unwrap(), read.extent().unwrap());
            assert_eq!(said.requests, read.requests, "seed {seed}, {name}");
            assert_eq!(said.released, read.released, "seed {seed}, {name}");
            assert!(said.loss.is_none() && read.loss.is_none());
            assert_eq!(Until::both(&said, &read, Align::Epoch), Until::End);
        }
    }
}

#[test]
fn devices_of_new_have_the_numbers_of_base_and_those_that_nobody_knows_are_trouble() {
    let (entries, cuts) = script(11);
    let trace = written(&entries, &cuts);
    let obvious = obvious(&events(&trace), Barrier::Flush);
    let own = header(&["a", "b", "c"]);
    let pairing = Pairing::of(&header(&["c", "a", "b"]), &own);
    let new = side(&trace, Which::New, &pairing);
    let renamed: Vec<Compared> = obvious
        .iter()
        .map(|request| Compared { device: DeviceId((request.device.0 + 1) % 3), ..*request })
        .collect();
    assert_eq!(all(&new, &Part::ALL).unwrap(), renamed);
    let part = Part { device: Some(DeviceId(0)), epochs: 0..9 };
    assert_eq!(all(&new, &part).unwrap(), of_part(&renamed, &part));
    let few = side(&trace, Which::New, &Pairing::of(&own, &header(&["a"])));
    let error = all(&few, &Part::ALL).unwrap_err().to_string();
    assert!(error.starts_with("new: request #"), "{error}");
    let absent = Part { device: Some(DeviceId(2)), epochs: 0..9 };
    assert_eq!(all(&few, &absent).unwrap(), []);
    assert_eq!(few.epoch_sums(DeviceId(2)).unwrap(), Some(EpochSums::default()));
}

#[test]
fn the_data_of_requests_are_there_where_they_were_kept() {
    let (entries, cuts) = script(5);
    let trace = written(&entries, &cuts);
    let side = base(&trace);
    let mut kept = 0;
    for request in all(&side, &Part::ALL).unwrap() {
        let data = side.data(&request).unwrap();
        match request.payload {
            Payload::Absent => assert_eq!(data, None),
            payload => {
                let data = data.unwrap();
                assert_eq!(data.len(), 512);
                assert!(!Payload::of(&data).differs(&payload), "{request:?}");
                kept += 1;
            }
        }
    }
    assert!(kept > 5, "{kept}");
}

#[test]
fn a_side_that_cannot_be_opened_again_is_trouble() {
    let header = header(&["a"]);
    let pairing = Pairing::of(&header, &header);
    let gone = || Err::<Reader<Cursor<Vec<u8>>>, _>("it is gone".into());
    let side = TraceSide::new(gone, Which::New, &pairing);
    assert_eq!(all(&side, &Part::ALL).unwrap_err().to_string(), "new: it is gone");
}
