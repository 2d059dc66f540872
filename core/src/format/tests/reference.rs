//! Tests of the reference page: its example is what we write, and reads as it says.

use super::*;
use crate::event::{ClockKind, Connect, Disconnect, Input, Key, Samples, ShutdownCause};
use crate::format::frame;
use crate::limits;
use crate::request::Errno;

/// The normative page.
const PAGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../book/src/reference/format.md"));

/// The bytes in the fenced blocks of the page marked `hex`: each line has an offset, a colon, bytes, and
/// what they mean after a semicolon.
fn bytes_on_the_page() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut inside = false;
    for line in PAGE.lines() {
        if line.starts_with("```") {
            inside = line == "```hex";
        } else if inside {
            let (offset, rest) = line.split_once(':').unwrap();
            assert_eq!(usize::from_str_radix(offset, 16).unwrap(), bytes.len(), "{line}");
            let digits = rest.split(';').next().unwrap().split_whitespace();
            bytes.extend(digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()));
        }
    }
    bytes
}

fn example_header() -> Header {
    Header {
        tool: "blkreplay 0.1.0".to_owned(),
        command: ["blkreplay", "record", "a.img", "-o", "t.blkr"].map(str::to_owned).to_vec(),
        wall_clock_ns: 1_790_000_000_000_000_000,
        payload: PayloadPolicy::Write,
        devices: vec![DeviceHeader {
            name: "a".to_owned(),
            image: "a.img".to_owned(),
            format: "raw".to_owned(),
            size: 1 << 20,
            block_min: 1,
            block_preferred: 4096,
            read_only: false,
            discard: true,
            fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
        }],
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 64 << 20, connection_requests: 1024 },
        recovered: None,
        replay: None,
        edits: crate::format::Edits::default(),
    }
}

fn example_entries() -> Vec<Entry> {
    let device = DeviceId(0);
    let connection = ConnectionId(0);
    let request = |id, cookie, operation, offset, length, flags, payload| {
        EventKind::Issue(Issue {
            id: RequestId(id),
            device,
            connection,
            cookie,
            request: Request { operation, range: ByteRange::new(offset, length), flags },
            payload,
            early: Nanos(0),
        })
    };
    let failed = Block {
        id: RequestId(1),
        device,
        operation: Operation::Read,
        result: Err(Errno::EIO),
        latency: Nanos(300),
        hold: Nanos(0),
        flags: CompletionFlags { undelivered: true, refused: false },
        payload: Payload::Absent,
        extents: Vec::new(),
    };
    let connect = Connect {
        connection,
        device,
        export: "a".to_owned(),
        structured_replies: true,
        block_status: false,
        extended_headers: false,
    };
    let data = b"a line of text\n";
    let write = request(0, 1, Operation::Write, 8192, 15, Flags::FUA, Payload::of(data));
    vec![
        plain(1000, EventKind::Open { device }),
        plain(1000, EventKind::Length { device, length: 1 << 20 }),
        plain(2000, EventKind::Connect(connect)),
        Entry { data: Some(Bytes::from_static(data)), ..plain(3000, write) },
        plain(3100, request(1, 2, Operation::Read, 8192, 512, Flags::NONE, Payload::Absent)),
        plain(85_000, EventKind::Checkpoint(Checkpoint::Controller)),
        plain(85_000, block(0, Operation::Write)),
        plain(85_000, EventKind::Block(failed)),
        plain(85_500, EventKind::Mark { name: "here".parse().unwrap() }),
        plain(85_900, EventKind::Disconnect { connection, reason: Disconnect::Asked }),
        plain(86_000, EventKind::Close { device }),
        plain(86_000, EventKind::End { status: Some(0) }),
    ]
}

#[test]
fn the_example_on_the_page_is_what_we_write() {
    let mut writer =
        Writer::create(Vec::new(), &example_header(), 0x0807_0605_0403_0201, 0xabcd).unwrap();
    for entry in example_entries() {
        writer.append(entry).unwrap();
    }
    let (bytes, _) = writer.finish().unwrap();
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bytes_on_the_page(), bytes, "what we write:\n{}", hex.join(" "));
}

#[test]
fn the_example_on_the_page_decodes_to_what_it_says() {
    let bytes = bytes_on_the_page();
    let mut reader = Reader::open(Cursor::new(&bytes)).unwrap();
    assert_eq!(*reader.header(), example_header());
    assert_eq!(reader.uuid(), 0xabcd);
    let read = read(&bytes).unwrap();
    assert!(read.loss.is_none());
    assert_eq!(read.events.len(), example_entries().len());
    check_prefix(&read, &example_entries());
    while reader.next_event().unwrap().is_some() {}
    assert_eq!(reader.payload(PayloadId(0)).unwrap(), "a line of text\n");
}

#[test]
fn the_limits_on_the_page_are_those_of_the_code() {
    for (text, limit) in [
        ("56 to 1,048,576", limits::HEADER_BYTES_MAX),
        ("at most 76,546,048", limits::CHUNK_BODY_BYTES_MAX),
        ("at most 1,048,576", limits::SUMMARY_BYTES_MAX),
        ("84 to 4,096", frame::CHUNK_HEADER_BYTES_MAX),
        ("number of extents, 1 to 4,096", limits::EXTENTS_MAX),
        ("length leb (at most 4,096)", limits::NBD_STRING_BYTES_MAX),
        ("the number of bytes as `leb`, at most 1,048,576", limits::EVENT_BYTES_MAX),
        ("number of samples that follow, at most 65,536", Samples::MAX),
        ("MUST hold at most 131,072", limits::COLUMNS_EVENTS_MAX as usize),
        ("SHOULD close one at 65,536", limits::COLUMNS_EVENTS as usize),
        ("if there are at most 32,768", limits::OPEN_LISTED_MAX),
        ("this one tracks 262,144", limits::OPEN_TRACKED_MAX),
        ("it has 8,192", limits::CHUNK_EPOCHS_MAX),
        ("after every 1,024", limits::INDEX_CHUNKS),
    ] {
        assert!(PAGE.contains(text), "{text}");
        let mut number = text.split(' ').map(|word| word.trim_matches(')').replace(',', ""));
        assert_eq!(number.next_back(), Some(limit.to_string()));
    }
}

#[test]
fn the_tables_on_the_page_are_those_of_the_code() {
    let rows = |text: String| assert_eq!(PAGE.matches(&text).count(), 1, "{text}");
    for (number, (_, name)) in Checkpoint::NAMES.into_iter().enumerate() {
        rows(format!("\n| {number} | {name} | "));
    }
    for kind in super::guest::every_kind() {
        if let Some(number) = crate::format::guest::number_of(&kind) {
            rows(format!("\n| {number} | {} | ", kind.name()));
        }
    }
    for (number, name) in Input::NAMES.into_iter().enumerate() {
        rows(format!("\n| {number} | {name} | "));
    }
    let list = |names: &[&str]| {
        let listed = names.iter().enumerate().map(|(number, name)| format!("{number} {name}"));
        listed.collect::<Vec<_>>().join(", ")
    };
    let page = PAGE.replace(",\n", ", ");
    let causes = ShutdownCause::NAMES.map(|(_, name)| name);
    let clocks = ClockKind::NAMES.map(|(_, name)| name);
    for names in [&causes[..], &clocks, &Key::NAMES] {
        assert!(page.contains(&list(names)), "{names:?}");
    }
}
