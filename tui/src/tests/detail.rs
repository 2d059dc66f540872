//! A request alone: what became of it, its data in all ways, and what is known of them.

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;

use blkreplay_core::event::{Block, CompletionFlags, Event, EventKind, Issue, Payload};
use blkreplay_core::format::{Entry, Writer};
use blkreplay_core::open;
use blkreplay_core::request::{ConnectionId, DeviceId, Flags, Operation, Request, RequestId};
use blkreplay_core::units::{ByteRange, Nanos};
use blkreplay_fixtures::story::{self, BEFORE, FAILED};
use bytes::Bytes;
use snapbox::file;
use tempfile::NamedTempFile;

use super::Inspector;
use super::screens::looks_like;
use crate::state::payload::Mode;
use crate::view;

/// A trace of writes of these data at these offsets, one after the other.
fn written(path: &Path, requests: &[(u64, Vec<u8>)]) {
    std::fs::write(path, story::trace()).unwrap();
    let header = open::trace(path).unwrap().header().clone();
    let mut writer = Writer::create(Cursor::new(Vec::new()), &header, 7, 9).unwrap();
    for (id, (offset, data)) in (0..).zip(requests) {
        let range = ByteRange::new(*offset, data.len() as u64);
        let request = Request { operation: Operation::Write, range, flags: Flags::NONE };
        let issue = Issue {
            id: RequestId(id),
            device: DeviceId(0),
            connection: ConnectionId(0),
            cookie: id,
            request,
            payload: Payload::of(data),
            early: Nanos(0),
        };
        let block = Block {
            id: RequestId(id),
            device: DeviceId(0),
            operation: Operation::Write,
            result: Ok(()),
            latency: Nanos(300_000),
            hold: Nanos(100_000),
            flags: CompletionFlags::default(),
            payload: Payload::Absent,
            extents: Vec::new(),
        };
        let at = |time, kind| Event { time: Nanos(time), kind };
        let issued = at(id * 1_000_000, EventKind::Issue(issue));
        let data = Some(Bytes::from(data.clone()));
        writer.append(Entry { event: issued, data }).unwrap();
        let ended = at(id * 1_000_000 + 400_000, EventKind::Block(block));
        writer.append(Entry { event: ended, data: None }).unwrap();
    }
    let ended = Event { time: Nanos(1 << 40), kind: EventKind::End { status: Some(0) } };
    writer.append(Entry { event: ended, data: None }).unwrap();
    std::fs::write(path, writer.finish().unwrap().0.into_inner()).unwrap();
}

/// A block with a superblock of ext4 in it, written at a time.
fn superblock(time: u32) -> Vec<u8> {
    let mut data = vec![0; 4096];
    data[1024 + 0x38..1024 + 0x3a].copy_from_slice(&[0x53, 0xef]);
    data[1024 + 0x30..1024 + 0x34].copy_from_slice(&time.to_le_bytes());
    data[1024 + 0x78..1024 + 0x7c].copy_from_slice(b"root");
    data
}

fn inspector(writes: &[(u64, Vec<u8>)], width: u16, height: u16) -> (NamedTempFile, Inspector) {
    let file = NamedTempFile::new().unwrap();
    written(file.path(), writes);
    let inspector = Inspector::of(file.path(), width, height);
    (file, inspector)
}

#[test]
fn a_superblock_is_named_and_what_differs_of_it() {
    let writes = [(0, superblock(1_700_000_000)), (0, superblock(1_700_000_001))];
    let (_file, mut inspector) = inspector(&writes, 120, 40);
    inspector.press("G");
    let screen = inspector.screen();
    assert!(screen.contains("known    ext4 superblock at 0x400: s_wtime differ"), "{screen}");
    assert!(screen.contains("s_wtime 2023-11-14 22:13:21"), "{screen}");
    inspector.press("g");
    let screen = inspector.screen();
    assert!(screen.contains("known    ext4 superblock at 0x400\n"), "nothing was before: {screen}");
}

#[test]
fn the_bytes_that_differ_from_what_was_there_before_are_marked() {
    let mut later = superblock(1_700_000_000);
    later[0] = 0xff;
    later[4095] = 1;
    // Only a part of it was there before.
    let writes =
        [(1 << 20, superblock(1_700_000_000)[2048..].to_vec()), (0, superblock(1)), (0, later)];
    let (_file, mut inspector) = inspector(&writes, 100, 40);
    inspector.press("G enter x x");
    assert_eq!(inspector.desk.app.payload.mode, Mode::Difference);
    let screen = inspector.screen();
    assert!(screen.contains("6 of 4,096 bytes differ from #1"), "{screen}");
    assert!(screen.contains("-00000000 ~00 00 00"), "{screen}");
    assert!(screen.contains("+00000000 ~ff 00 00"), "{screen}");
    assert!(screen.contains("-00000430 ~01~00~00~00 00"), "{screen}");
    assert!(screen.contains("+00000430 ~00~f1~53~65 00"), "{screen}");
    assert!(screen.contains(" 00 00~01 |"), "{screen}");
    assert!(!screen.contains("00000010"), "lines that are the same are left out: {screen}");
}

#[test]
fn of_requests_that_overlap_the_bytes_of_both_are_compared() {
    let writes = [(4096, vec![1; 4096]), (0, [vec![7; 4096], vec![1; 4095], vec![2]].concat())];
    let (_file, mut inspector) = inspector(&writes, 100, 30);
    inspector.press("G enter x x");
    let screen = inspector.screen();
    assert!(screen.contains("1 of 4,096 bytes differ from #0"), "{screen}");
    assert!(screen.contains("+00001ff0  01 01"), "{screen}");
}

#[test]
fn why_there_is_no_difference_is_said() {
    let (_file, mut inspector) = inspector(&[(0, vec![1; 512])], 100, 30);
    inspector.press("enter x x");
    assert!(inspector.screen().contains("nothing wrote there before in this trace"));
    let mut inspector = Inspector::new(100, 30);
    inspector.press(&format!(": '#{FAILED}' enter enter x x"));
    let screen = inspector.screen();
    assert!(screen.contains(&format!("4,096 of 4,096 bytes differ from #{BEFORE}")), "{screen}");
}

#[test]
fn all_bytes_of_a_mebibyte_can_be_reached_in_every_way() {
    let data: Vec<u8> = (0..1_u32 << 20).map(|at| (at / 251).to_le_bytes()[0]).collect();
    for size in [(40, 10), (100, 30)] {
        let (_file, mut inspector) = inspector(&[(0, data.clone())], size.0, size.1);
        let each = if size.0 < 78 { 8 } else { 16 };
        inspector.press("enter G");
        let last = format!("{:08x}", data.len() - each);
        assert!(inspector.screen().contains(&last), "{}", inspector.screen());
        let digits = data[data.len() - 4..].iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, " {byte:02x}");
            text
        });
        assert!(inspector.screen().contains(&digits), "{}", inspector.screen());
        inspector.press("k");
        let before = format!("{:08x}", data.len() - 2 * each);
        assert!(inspector.screen().contains(&before), "{}", inspector.screen());
        inspector.press("x G");
        let each = if size.0 < 78 { 24 } else { 64 };
        let last = format!("{:08x}  |", (data.len() - 1) / each * each);
        assert!(inspector.screen().contains(&last), "{}", inspector.screen());
        inspector.press("x x G");
        assert!(inspector.screen().contains("000fff00  "), "{}", inspector.screen());
        inspector.press("g");
        assert!(!inspector.screen().contains("000fff00"), "{}", inspector.screen());
    }
}

#[test]
fn with_another_request_the_first_lines_are_shown_again() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("e enter G");
    assert!(inspector.screen().contains("00000ff0"), "{}", inspector.screen());
    inspector.press(".");
    assert!(inspector.screen().contains("range    135266304+4096"), "{}", inspector.screen());
}

#[test]
fn a_request_that_was_counted_says_which_part_took_no_longer() {
    let mut inspector = Inspector::new(100, 40);
    inspector.press("e enter");
    assert!(!inspector.screen().contains("of write"), "{}", inspector.screen());
    inspector.press("esc 5 1 enter");
    // It took the longest of all writes.
    assert!(inspector.screen().contains("7.12ms  p100.0 of write"), "{}", inspector.screen());
}

#[test]
fn where_no_latency_is_known_yet_nothing_is_said_of_which_part_took_no_longer() {
    let writes = [(0, vec![1; 512]), (512, vec![2; 512])];
    let (_file, mut inspector) = inspector(&writes, 100, 40);
    // What summaries say stands, as nothing is counted.
    for key in ["5", "1", "enter"] {
        inspector.desk.app.press(key.parse().unwrap());
        inspector.terminal.draw(|frame| view::draw(&mut inspector.desk.app, frame)).unwrap();
    }
    let sum = &inspector.desk.app.tallying.operations()[0];
    assert!(sum.operation == Operation::Write && sum.hides_latency(), "{sum:?}");
    let screen = inspector.screen();
    assert!(screen.contains("300µs") && !screen.contains("of write"), "{screen}");
    inspector.press("esc 5 1 enter");
    assert!(inspector.screen().contains("300µs  p100.0 of write"), "{}", inspector.screen());
}

#[test]
fn what_differs_is_looked_for_once_for_all_pictures_of_two_data() {
    let data = |fill: u8| (0..4096).map(|at| if at % 64 == 0 { fill } else { 0 }).collect();
    let nothing = || vec![0; 4096];
    let writes =
        [(0, data(1)), (0, data(2)), (0, data(2)), (512, data(3)), (0, nothing()), (0, nothing())];
    let (_file, mut inspector) = inspector(&writes, 100, 20);
    inspector.press("g : '#1' enter enter x x");
    let lines = |inspector: &Inspector| {
        let differing = inspector.desk.app.payload.differing.as_ref().unwrap();
        (differing.lines.as_ptr(), differing.lines.clone(), differing.count)
    };
    let first = lines(&inspector);
    assert_eq!((&first.1, first.2), (&(0..64).map(|line| line * 4).collect(), 64));
    for key in ["j", "ctrl-d", "G", "g"] {
        inspector.desk.app.press(key.parse().unwrap());
        inspector.terminal.draw(|frame| view::draw(&mut inspector.desk.app, frame)).unwrap();
        assert_eq!(lines(&inspector), first, "{key}: they are the same, in the same place");
    }
    // Half as much is on a line, and then others are looked at.
    inspector.terminal.backend_mut().resize(60, 20);
    inspector.settle();
    assert_eq!(lines(&inspector).1, (0..64).map(|line| line * 8).collect::<Vec<_>>());
    assert!(inspector.screen().contains("+00000000 ~02 00"), "{}", inspector.screen());
    inspector.press("f8");
    assert_eq!(lines(&inspector).2, 0);
    inspector.press("f8");
    assert_eq!(lines(&inspector).2, 56);
    inspector.press("f8");
    assert_eq!(lines(&inspector).2, 56);
    inspector.press("f8");
    assert_eq!(lines(&inspector).2, 0, "zeroes over zeroes");
    inspector.press("x");
    assert!(inspector.desk.app.payload.differing.is_none());
}

#[track_caller]
#[test]
fn a_request_alone_is_drawn_at_every_size_and_in_every_way() {
    looks_like(file!["screens/alone-40x10.txt"], (40, 10), "e enter");
    looks_like(file!["screens/alone-80x24.txt"], (80, 24), "e enter");
    looks_like(file!["screens/alone-120x40.txt"], (120, 40), "5 1 e enter x x");
    looks_like(file!["screens/alone-200x60.txt"], (200, 60), "e enter x x x");
    looks_like(file!["screens/alone-text-80x24.txt"], (80, 24), "e enter x ctrl-d");
    looks_like(file!["screens/alone-filter-80x24.txt"], (80, 24), "f 'fua' enter G enter x x");
}
