//! Property tests: any events read back, and no bytes make a decoder panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::columns::COLUMNS;
use super::guest::any_guest_event;
use super::*;
use crate::event::{Connect, Disconnect, MarkName};
use crate::format::{decode, frame};
use crate::request::{Errno, Extent};

fn any_payload() -> impl Strategy<Value = (Payload, Option<Bytes>)> {
    let data = vec(0..4_u8, 0..20).prop_map(Bytes::from);
    prop_oneof![
        Just((Payload::Absent, None)),
        Just((Payload::Zeroes, None)),
        any::<u128>().prop_map(|digest| (Payload::Digest(Digest(digest)), None)),
        data.prop_map(|data| (Payload::of(&data), Some(data))),
    ]
}

fn any_operation() -> impl Strategy<Value = Operation> {
    (0..7_u8).prop_map(|number| Operation::from_number(number).unwrap())
}

fn any_issue() -> impl Strategy<Value = (EventKind, Option<Bytes>)> {
    let small_or_any = || prop_oneof![0..8_u64, any::<u64>()];
    let names = (small_or_any(), any::<u16>(), any::<u32>(), small_or_any());
    let request = (any_operation(), small_or_any(), small_or_any(), 0..16_u8);
    let early = prop_oneof![3 => Just(0), 1 => any::<u64>()];
    (names, request, any_payload(), early).prop_map(
        |((id, device, connection, cookie), (operation, offset, length, flags), payload, early)| {
            let request = Request {
                operation,
                range: ByteRange::new(offset, length),
                flags: Flags::from_bits(flags).unwrap(),
            };
            let issue = Issue {
                id: RequestId(id),
                device: DeviceId(device % 3),
                connection: ConnectionId(connection),
                cookie,
                request,
                payload: payload.0,
                early: Nanos(early),
            };
            (EventKind::Issue(issue), payload.1)
        },
    )
}

fn any_block() -> impl Strategy<Value = (EventKind, Option<Bytes>)> {
    let extent = (1..u64::MAX, any::<bool>(), any::<bool>())
        .prop_map(|(length, hole, zero)| Extent { length, hole, zero });
    let id = prop_oneof![0..8_u64, any::<u64>()];
    let names = (id, prop_oneof![0..3_u16, any::<u16>()], any_operation());
    let answer = (any::<Option<u16>>(), any::<u64>(), any::<u64>(), vec(extent, 0..4));
    (names, answer, any::<(bool, bool, bool)>(), any_payload()).prop_map(
        |((id, device, operation), (errno, latency, hold, extents), flags, payload)| {
            let block = Block {
                id: RequestId(id),
                device: DeviceId(device),
                operation,
                result: errno.map_or(Ok(()), |errno| Err(Errno(errno))),
                latency: Nanos(latency),
                hold: Nanos(hold),
                flags: CompletionFlags { undelivered: flags.0, refused: flags.1 },
                payload: payload.0,
                extents,
            };
            (EventKind::Block(block), payload.1)
        },
    )
}

fn any_note() -> impl Strategy<Value = (EventKind, Option<Bytes>)> {
    let names = any::<(u16, u32, u64)>();
    (0..6, names, ".{0,20}", any::<(bool, bool, bool)>(), 0..4_usize).prop_map(
        |(which, (device, connection, length), export, negotiated, how)| {
            let (structured_replies, block_status, extended_headers) = negotiated;
            let (device, connection) = (DeviceId(device), ConnectionId(connection));
            let kind = match which {
                0 => EventKind::Open { device },
                1 => EventKind::Length { device, length },
                2 => EventKind::Close { device },
                3 => EventKind::Disconnect { connection, reason: Disconnect::NAMES[how].0 },
                4 => EventKind::Mark { name: mark_name(&export) },
                _ => EventKind::Connect(Connect {
                    connection,
                    device,
                    export,
                    structured_replies,
                    block_status,
                    extended_headers,
                }),
            };
            (kind, None)
        },
    )
}

/// A name out of any text.
fn mark_name(text: &str) -> MarkName {
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    text.parse().unwrap_or_else(|_| "mark".parse().unwrap())
}

pub(super) fn any_entries() -> impl Strategy<Value = Vec<Entry>> {
    let checkpoint = (0..Checkpoint::NAMES.len())
        .prop_map(|at| (EventKind::Checkpoint(Checkpoint::NAMES[at].0), None));
    let kind = prop_oneof![
        4 => any_issue(),
        4 => any_block(),
        1 => any_note(),
        1 => checkpoint,
        2 => any_guest_event(),
    ];
    let entries = vec((0..1_u64 << 40, kind), 0..60);
    (entries, any::<Option<u8>>()).prop_map(|(kinds, status)| {
        let mut time = 0;
        let mut entries: Vec<_> = kinds
            .into_iter()
            .map(|(delta, (mut kind, data))| {
                time += delta;
                // No request comes before the recording begins.
                if let EventKind::Issue(issue) = &mut kind {
                    issue.early = Nanos(issue.early.0 % (time + 1));
                }
                Entry { event: Event { time: Nanos(time), kind }, data }
            })
            .collect();
        entries.push(plain(time, EventKind::End { status }));
        entries
    })
}

proptest! {
    #[test]
    fn any_events_read_back(entries in any_entries(), ticks in vec(0..60_usize, 0..5)) {
        for layout in [Layout::Rows, COLUMNS] {
            let (bytes, _) = written_as(layout, &entries, &ticks);
            let read = read(&bytes).unwrap();
            prop_assert!(read.loss.is_none());
            prop_assert_eq!(read.events.len(), entries.len());
            check_prefix(&read, &entries);
        }
    }

    #[test]
    fn a_trace_is_never_longer_than_was_reckoned(entries in any_entries(), copies in 1..40_usize) {
        let mut writer = Writer::create(Vec::new(), &header(), SALT, UUID).unwrap();
        // Sketches need some completions of a kind.
        for entry in entries.iter().cycle().take(entries.len() * copies) {
            writer.append(entry.clone()).unwrap();
        }
        let reckoned = writer.size();
        let (bytes, _) = writer.finish().unwrap();
        prop_assert!(bytes.len() as u64 <= reckoned, "{} bytes, {reckoned} reckoned", bytes.len());
    }

    #[test]
    fn any_bytes_as_a_body_of_events_are_an_error_or_events(
        body in vec(any::<u8>(), 0..200),
        count in 0..300_u32,
    ) {
        let length = body.len();
        let mut decoder = decode::Decoder::new(body, count, 0, 0);
        for _ in 0..=length {
            match decoder.next() {
                Ok(decode::Decoded::Event(_) | decode::Decoded::Skipped(_)) => {}
                _ => return Ok(()),
            }
        }
        prop_assert!(false, "each event takes at least one byte");
    }

    #[test]
    fn any_bytes_after_a_header_are_lost_or_a_trace(tail in vec(any::<u8>(), 0..300)) {
        let (bytes, _) = small();
        let mut bytes = bytes[..frame::u32_at(&bytes, 16) as usize].to_vec();
        bytes.extend(&tail);
        prop_assert!(read(&bytes).unwrap().loss.is_some());
    }
}
