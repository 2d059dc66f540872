//! Filters and what they mean, said once more in Rust, slowly: on every request both must agree.
//!
//! Requests come in. Invariant: no closure uses anything of the filter language, and none is true or false for all requests.

use blkreplay_core::event::Payload;
use blkreplay_core::query::Asked;
use blkreplay_core::request::{Errno, Flags, Operation};
use blkreplay_core::rows::{Row, RowCompletion};
use bytes::Bytes;

use super::corpus::accepted;
use super::world::{MARKS, filter, requests, stored};

type Means = fn(&Row, &[Row]) -> bool;

fn op(row: &Row, operation: Operation) -> bool {
    row.request.operation == operation
}

fn off(row: &Row) -> u64 {
    row.request.range.offset
}

fn len(row: &Row) -> u64 {
    row.request.range.length
}

fn end(row: &Row) -> u64 {
    off(row) + len(row)
}

fn fua(row: &Row) -> bool {
    row.request.flags.contains(Flags::FUA)
}

/// Whether a request was answered, and so.
fn ended(row: &Row, so: impl Fn(&RowCompletion) -> bool) -> bool {
    row.completion.as_ref().is_some_and(so)
}

/// The latency in nanoseconds, if there is one, and whether it is so.
fn lat(row: &Row, so: impl Fn(u64) -> bool) -> bool {
    ended(row, |end| so(end.latency.0))
}

fn latency(row: &Row) -> Option<u64> {
    row.completion.as_ref().map(|end| end.latency.0)
}

fn data(row: &Row) -> Option<Bytes> {
    match row.payload {
        Payload::Zeroes => Some(vec![0; usize::try_from(len(row)).unwrap()].into()),
        Payload::Stored(_, id) => Some(stored(id)),
        _ => None,
    }
}

fn has_data(row: &Row, so: impl Fn(&[u8]) -> bool) -> bool {
    data(row).is_some_and(|data| so(&data))
}

fn failed(row: &Row, with: Errno) -> bool {
    ended(row, |end| end.result == Err(with))
}

fn note(row: &Row) -> &str {
    row.context.mark.as_deref().unwrap_or("")
}

/// The value that so many of a hundred do not exceed, by sorting them.
fn percentile(mut values: Vec<u64>, of: usize) -> u64 {
    values.sort_unstable();
    values[(values.len() * of).div_ceil(100) - 1]
}

fn mean(values: &[u64]) -> u64 {
    values.iter().sum::<u64>() / values.len() as u64
}

fn latencies(all: &[Row]) -> Vec<u64> {
    all.iter().filter_map(latency).collect()
}

fn digest(row: &Row) -> String {
    row.payload.to_string()
}

/// What is asked of a request itself.
const OF_ONE: [(&str, Means); 48] = [
    ("write", |row, _| op(row, Operation::Write)),
    ("!read", |row, _| !op(row, Operation::Read)),
    ("zero", |row, _| op(row, Operation::WriteZeroes)),
    ("write and fua", |row, _| op(row, Operation::Write) && fua(row)),
    ("op not in {read flush}", |row, _| !op(row, Operation::Read) && !op(row, Operation::Flush)),
    ("err == EIO", |row, _| failed(row, Errno::EIO)),
    ("err != EIO", |row, _| ended(row, |end| end.result.is_err_and(|errno| errno != Errno::EIO))),
    ("err in {EIO, ENOSPC, errno-117}", |row, _| ended(row, |end| end.result.is_err())),
    ("result not in {ok, EIO}", |row, _| failed(row, Errno::ENOSPC) || failed(row, Errno(117))),
    ("dev == one", |row, _| row.device.0 == 0),
    ("dev matches \"^t\"", |row, _| row.device.0 == 1),
    ("id in {7, 9, 11..20, 30..=40, 1000..}", |row, _| {
        let id = row.id.0;
        id == 7 || id == 9 || (11..20).contains(&id) || (30..=40).contains(&id) || id >= 1000
    }),
    ("id not in 5..9", |row, _| !(5..9).contains(&row.id.0)),
    ("-(id - 20) > 0", |row, _| row.id.0 < 20),
    ("id * 2 + 1 in 11..=21", |row, _| (5..=10).contains(&row.id.0)),
    ("len >= 4kB", |row, _| len(row) >= 4000),
    ("len > 1.5k", |row, _| len(row) > 1536),
    ("off % 4k == 0 and len % 4k == 0", |row, _| {
        off(row).is_multiple_of(4096) && len(row).is_multiple_of(4096)
    }),
    ("off & 0xfff != 0", |row, _| !off(row).is_multiple_of(4096)),
    ("off % len == 0", |row, _| off(row).checked_rem(len(row)) == Some(0)),
    ("(off / 4k) % 2 == 1", |row, _| off(row) / 4096 % 2 == 1),
    ("nlb > 8", |row, _| end(row).div_ceil(512) - off(row) / 512 > 8),
    ("len == 4096 && off overlaps 1M..2M", |row, _| {
        len(row) == 4096 && off(row) < 2 << 20 && end(row) > 1 << 20
    }),
    ("off overlaps ..=1M", |row, _| len(row) > 0 && off(row) <= 1 << 20),
    ("off overlaps 1M..=1M", |row, _| off(row) <= 1 << 20 && end(row) > 1 << 20),
    ("t in 0.5s..=0.7s", |row, _| (500_000_000..=700_000_000).contains(&row.time.0)),
    ("lat > 5ms", |row, _| lat(row, |lat| lat > 5_000_000)),
    ("lat % 1ms < 500us", |row, _| lat(row, |lat| lat % 1_000_000 < 500_000)),
    ("lat * 3 > hold * 100", |row, _| ended(row, |end| end.latency.0 * 3 > end.hold.0 * 100)),
    ("lat < 12.5% * 8ms", |row, _| lat(row, |lat| lat < 1_000_000)),
    ("lat > 10% * 50ms", |row, _| lat(row, |lat| lat > 5_000_000)),
    ("gap < 1ms", |row, _| row.context.gap.is_some_and(|gap| gap.0 < 1_000_000)),
    ("abs(seek) > 1GiB", |_, _| false),
    ("seek < 0", |row, _| row.context.seek.is_some_and(|seek| seek < 0)),
    ("sequential and write", |row, _| op(row, Operation::Write) && row.context.seek == Some(0)),
    ("qd in 2..=4", |row, _| row.context.depth.is_some_and(|depth| (2..=4).contains(&depth))),
    ("step < 5", |row, _| row.context.step.is_some_and(|step| step < 5)),
    ("mark", |row, _| row.context.marked),
    ("note contains \"way\"", |row, _| note(row).contains("way")),
    ("note != \"start\"", |row, _| !note(row).is_empty() && note(row) != "start"),
    ("t >= @'start", |row, _| row.time >= MARKS[0].1),
    ("t in @'start..@\"half way\"", |row, _| row.time >= MARKS[0].1 && row.time < MARKS[1].1),
    ("has(never_written)", |row, _| row.context.never_written == Some(true)),
    ("has(payload)", |row, _| data(row).is_some()),
    ("done and !err", |row, _| ended(row, |end| end.result.is_ok())),
    ("min(lat, hold) > 20us", |row, _| {
        ended(row, |end| end.latency.0 > 20_000 && end.hold.0 > 20_000)
    }),
    ("max(id, 10, epoch) > 50", |row, _| row.id.0 > 50),
    ("write and not fua or read and len > 4k", |row, _| {
        op(row, Operation::Write) && !fua(row) || op(row, Operation::Read) && len(row) > 4096
    }),
];

/// What is asked of data and digests.
const OF_DATA: [(&str, Means); 14] = [
    ("payload[0:4] == 53:ef:00:01", |row, _| {
        has_data(row, |data| data.starts_with(b"\x53\xef\x00\x01"))
    }),
    ("payload[0:2] != 53:ef", |row, _| has_data(row, |data| !data.starts_with(b"\x53\xef"))),
    ("payload[0] == 0x41", |row, _| has_data(row, |data| data[0] == 0x41)),
    ("payload[3] & 0x80 != 0", |row, _| has_data(row, |data| data[3] >= 0x80)),
    ("payload[510:512] == 55:aa", |row, _| has_data(row, |data| data[510..512] == *b"\x55\xaa")),
    ("payload contains \"EXT4\"", |row, _| {
        has_data(row, |data| data.windows(4).any(|four| four == b"EXT4"))
    }),
    ("payload[4:] contains \"E\"", |row, _| has_data(row, |data| data[4..].contains(&b'E'))),
    ("payload contains de:ad:be:ef", |row, _| {
        has_data(row, |data| data.windows(4).any(|four| four == b"\xde\xad\xbe\xef"))
    }),
    ("payload[0:2] in {53:ef, 55:aa, \"AB\"}", |row, _| {
        has_data(row, |data| data.starts_with(b"\x53\xef") || data.starts_with(b"AB"))
    }),
    ("payload matches \"(?i)abcd\"", |row, _| {
        has_data(row, |data| data.windows(4).any(|four| four.eq_ignore_ascii_case(b"abcd")))
    }),
    ("hash != \"zeroes\"", |row, _| !matches!(row.payload, Payload::Absent | Payload::Zeroes)),
    ("hash in {\"xxh3:9\", \"xxh3:a\"}", |row, _| {
        digest(row).starts_with("xxh3:9") || digest(row).starts_with("xxh3:a")
    }),
    ("hash contains \"ff\"", |row, _| digest(row).contains("ff")),
    ("crc32(payload[0:4]) > 0x7fffffff", |row, _| {
        has_data(row, |data| crc(&data[..4]) > 0x7fff_ffff)
    }),
];

/// The CRC-32 of zlib, bit by bit.
fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// What is asked of all requests together.
const OF_ALL: [(&str, Means); 12] = [
    ("qd > 16 && lat > p99(lat where read)", |_, _| false),
    ("lat > p99(lat)", |row, all| lat(row, |lat| lat > percentile(latencies(all), 99))),
    ("lat > p50(lat)", |row, all| lat(row, |lat| lat > percentile(latencies(all), 50))),
    ("lat > p90(lat) or lat > p99(lat where write)", |row, all| {
        let writes: Vec<Row> =
            all.iter().filter(|row| op(row, Operation::Write)).cloned().collect();
        lat(row, |lat| {
            lat > percentile(latencies(all), 90) || lat > percentile(latencies(&writes), 99)
        })
    }),
    ("lat > mean(lat)", |row, all| lat(row, |lat| lat > mean(&latencies(all)))),
    ("len > mean(len where read)", |row, all| {
        let reads: Vec<u64> = all.iter().filter(|row| op(row, Operation::Read)).map(len).collect();
        len(row) > mean(&reads)
    }),
    ("off == max(off)", |row, all| all.iter().all(|other| off(other) <= off(row))),
    ("lat == min(lat where done)", |row, all| {
        lat(row, |lat| latencies(all).iter().all(|other| lat <= *other))
    }),
    ("len > p50(len where op == write)", |row, all| {
        let writes = all.iter().filter(|row| op(row, Operation::Write)).map(len).collect();
        len(row) > percentile(writes, 50)
    }),
    ("lat > p50(lat where flush) and write", |row, all| {
        let flushes: Vec<Row> =
            all.iter().filter(|row| op(row, Operation::Flush)).cloned().collect();
        op(row, Operation::Write) && lat(row, |lat| lat > percentile(latencies(&flushes), 50))
    }),
    ("max(lat) * 10% < lat", |row, all| {
        lat(row, |lat| latencies(all).iter().max().unwrap() * 10 / 100 < lat)
    }),
    ("lat - mean(lat) > stddev(lat)", |row, all| {
        let all = latencies(all);
        let from_mean: Vec<u64> = all.iter().map(|one| one.abs_diff(mean(&all)).pow(2)).collect();
        let deviation = mean(&from_mean).isqrt();
        lat(row, |lat| lat > mean(&all) + deviation)
    }),
];

/// Nothing of the world is so.
const NEVER: [&str; 2] = ["abs(seek) > 1GiB", "qd > 16 && lat > p99(lat where read)"];

#[test]
fn a_filter_means_what_it_says_in_rust() {
    let rows = requests();
    let accepted = accepted();
    for (text, means) in OF_ONE.into_iter().chain(OF_DATA).chain(OF_ALL) {
        assert!(accepted.iter().any(|known| known == text), "{text} is not in the corpus");
        let filter = filter(text, &rows).unwrap_or_else(|error| panic!("{}", error.shown(text)));
        let mut meant = 0;
        for row in &rows {
            let fetch = |id| Some(stored(id));
            let found = filter.matches(Asked::with_data(row, &fetch));
            assert_eq!(found, means(row, &rows), "{text}: {row:#?}");
            meant += usize::from(found);
        }
        let decides = meant > 0 && meant < rows.len();
        assert!(decides || NEVER.contains(&text), "{text} means {meant} of all");
    }
}
