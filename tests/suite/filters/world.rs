//! Requests that filters are asked about: made from a seed, of all kinds, with data and with what lies around them.
//!
//! Invariant: the same every time, and nothing of a recorder or a reader is in them.

use blkreplay_core::event::{CompletionFlags, Payload, PayloadId};
use blkreplay_core::format::{
    DeviceHeader, Fingerprint, FingerprintMethod, Header, LimitsHeader, PayloadPolicy,
};
use blkreplay_core::query::{Asked, Filter, QueryError};
use blkreplay_core::request::{
    ConnectionId, DeviceId, Digest, Errno, Flags, Operation, Request, RequestId,
};
use blkreplay_core::rows::{Context, Row, RowCompletion};
use blkreplay_core::units::{ByteRange, Nanos};
use bytes::Bytes;

/// The marks of the recording, and when they were put there.
pub(super) const MARKS: [(&str, Nanos); 2] =
    [("start", Nanos(200_000_000)), ("half way", Nanos(1_100_000_000))];

/// Midnight, and a bit.
const WALL_CLOCK_NS: u64 = 1_700_006_400_000_000_000;

/// Numbers as chance has them.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// The data of a payload.
pub(super) fn stored(id: PayloadId) -> Bytes {
    let beginnings: [&[u8]; 8] = [
        b"ABCDEFGH",
        b"\x53\xef\x00\x01",
        b"ab",
        b"A1\x00\xffEXT4",
        b"\x31\x32\x33\x34 XFSB",
        b"abcd",
        b"\xde\xad\xbe\xef!",
        b"EXT4",
    ];
    let mut data = beginnings[usize::try_from(id.0 % 8).unwrap()].to_vec();
    data.resize(512, u8::try_from(id.0 % 251).unwrap());
    if id.0.is_multiple_of(3) {
        data[510..].copy_from_slice(b"\x55\xaa");
    }
    data.into()
}

fn row(dice: &mut Dice, number: u64, time: u64) -> Row {
    let operation = dice.one(&Operation::NAMES).0;
    let length = dice.one(&[512, 1024, 4096, 4096, 8192, 65_536, 1 << 20]);
    let offset = match dice.below(4) {
        0 => dice.below(16) * 4096,
        1 => dice.below(4096) * 512,
        2 => (1 << 20) - 4096 * dice.below(3),
        _ => dice.below(1 << 40),
    };
    let flush = operation == Operation::Flush;
    let range = if flush { ByteRange::new(0, 0) } else { ByteRange::new(offset, length) };
    let fua = operation.modifies() && dice.below(3) == 0;
    let id = PayloadId(dice.below(500));
    let payload = match (operation, dice.below(4)) {
        (Operation::Read | Operation::Write, 0) => Payload::Zeroes,
        (Operation::Read, _) => Payload::Digest(Digest::of(&stored(id))),
        (Operation::Write, _) => Payload::Stored(Digest::of(&stored(id)), id),
        _ => Payload::Absent,
    };
    let result = match dice.below(12) {
        0 => Err(Errno::EIO),
        1 => Err(Errno::ENOSPC),
        2 => Err(Errno(117)),
        _ => Ok(()),
    };
    let completion = (dice.below(10) > 0).then(|| RowCompletion {
        result,
        latency: Nanos(dice.below(12_000_000)),
        hold: Nanos(dice.below(60_000)),
        flags: CompletionFlags { undelivered: dice.below(9) == 0, refused: dice.below(9) == 0 },
        extents: Vec::new(),
    });
    let mark = MARKS.iter().rev().find(|(_, at)| at.0 <= time).map(|(name, _)| (*name).into());
    let context = Context {
        step: Some(number / 7),
        depth: Some(u32::try_from(1 + dice.below(8)).unwrap()),
        gap: (number > 0).then(|| Nanos(dice.below(3_000_000))),
        seek: (!flush && number > 0)
            .then(|| i64::try_from(dice.below(1 << 31)).unwrap() - (1 << 30))
            .map(|seek| if seek % 3 == 0 { 0 } else { seek }),
        mark,
        marked: dice.below(20) == 0,
        never_written: (operation == Operation::Read).then(|| dice.below(2) == 0),
    };
    Row {
        id: RequestId(number),
        device: DeviceId(dice.one(&[0, 1])),
        connection: ConnectionId(u32::try_from(dice.below(3)).unwrap()),
        cookie: dice.below(1000),
        request: Request { operation, range, flags: if fua { Flags::FUA } else { Flags::NONE } },
        event: 3 * number,
        time: Nanos(time),
        early: Nanos(0),
        epoch: number / 40,
        payload,
        completion,
        context,
    }
}

/// All requests.
pub(super) fn requests() -> Vec<Row> {
    let mut dice = Dice(4711);
    let mut time = 0;
    (0..400)
        .map(|number| {
            time += dice.below(10_000_000);
            row(&mut dice, number, time)
        })
        .collect()
}

fn header() -> Header {
    let device = |name: &str| DeviceHeader {
        name: name.to_owned(),
        image: format!("{name}.img"),
        format: "raw".to_owned(),
        size: 1 << 40,
        block_min: 512,
        block_preferred: 4096,
        read_only: false,
        discard: true,
        fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
    };
    Header {
        tool: "a test".to_owned(),
        command: Vec::new(),
        wall_clock_ns: WALL_CLOCK_NS,
        payload: PayloadPolicy::Write,
        devices: vec![device("one"), device("two")],
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 64 << 20, connection_requests: 1024 },
        recovered: None,
        replay: None,
        edits: blkreplay_core::format::Edits::default(),
    }
}

/// A filter that is ready for these requests. Short names of the marks are known as well.
pub(super) fn filter(text: &str, rows: &[Row]) -> Result<Filter, QueryError> {
    let mut filter = Filter::of(text, &header())?;
    let times: Vec<_> = filter
        .marks()
        .map(|wanted| {
            let named = match wanted.as_str() {
                "a" => "start",
                "b" => "half way",
                name => name,
            };
            MARKS.iter().find(|(name, _)| *name == named).map(|(_, time)| *time)
        })
        .collect();
    filter.settle_marks(&times)?;
    let mut totals = filter.first_pass();
    for row in rows {
        totals.add(Asked::with_data(row, &|id| Some(stored(id))));
    }
    filter.settle(&totals);
    Ok(filter)
}
