//! The smallest form of a trace: its events by column, its payloads packed harder.
//!
//! A reader and a writer come in, a whole trace goes out. Invariant: the same events with the same indices and
//! times, and the same data behind them; a trace that is not whole is refused.

use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;

use super::copy::Copier;
use super::error::EditError;
use crate::event::EventKind;
use crate::format::{Events, Item, Reader, Writer, Written};

/// Copies what `reader` has not given out yet, which must be all of its trace, to `writer`. `progress` hears how many
/// requests were copied, and says whether to go on.
pub fn compact<R: Read + Seek, W: Write>(
    reader: &mut Reader<R>,
    mut writer: Writer<W>,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(W, Written), EditError> {
    let mut copier = Copier::one_of(1);
    let (mut next, mut requests) = (0, 0);
    while let Some((index, item)) = reader.next_item()? {
        let missing = index.saturating_sub(next);
        writer.lose(u32::try_from(missing).unwrap_or(u32::MAX))?;
        next = index + 1;
        match item {
            Item::Unknown(event) => writer.append_unknown(event)?,
            Item::Event(event) => {
                let issue = matches!(event.kind, EventKind::Issue(_));
                copier.copy(event, reader, &mut writer)?;
                requests += u64::from(issue);
                if issue && progress(requests).is_break() {
                    return Err(EditError::Interrupted { requests });
                }
            }
        }
    }
    if let Some(loss) = Events::loss(reader) {
        return Err(EditError::Loss(loss));
    }
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use bytes::Bytes;

    use super::*;
    use crate::event::{Event, Issue, Payload, PayloadId};
    use crate::format::{Entry, Header, Layout, LimitsHeader, PayloadPolicy, UnknownEvent};
    use crate::request::{ConnectionId, DeviceId, Digest, Flags, Operation, Request, RequestId};
    use crate::units::{ByteRange, Nanos};

    const COLUMNS: Layout = Layout::Columns { level: 3 };

    fn header() -> Header {
        Header {
            tool: "blkreplay 0.1.0".to_owned(),
            command: Vec::new(),
            wall_clock_ns: 1,
            payload: PayloadPolicy::Write,
            devices: Vec::new(),
            exports: Vec::new(),
            limits: LimitsHeader { request_data_bytes: 4096, connection_requests: 16 },
            recovered: None,
            replay: None,
            edits: crate::format::Edits::default(),
        }
    }

    fn writer() -> Writer<Vec<u8>> {
        Writer::create(Vec::new(), &header(), 7, 1).unwrap()
    }

    fn write(id: u64, payload: Payload) -> Event {
        let issue = Issue {
            id: RequestId(id),
            device: DeviceId(0),
            connection: ConnectionId(0),
            cookie: id,
            request: Request {
                operation: Operation::Write,
                range: ByteRange::new(4096 * id, 4),
                flags: Flags::NONE,
            },
            payload,
            early: Nanos(0),
        };
        Event { time: Nanos(10 * id), kind: EventKind::Issue(issue) }
    }

    fn end(time: u64) -> Entry {
        Entry {
            event: Event { time: Nanos(time), kind: EventKind::End { status: None } },
            data: None,
        }
    }

    fn stored(id: u64, data: &'static [u8]) -> Entry {
        Entry { event: write(id, Payload::of(data)), data: Some(Bytes::from_static(data)) }
    }

    fn compacted(trace: &[u8]) -> Result<Vec<u8>, EditError> {
        let mut reader = Reader::open(Cursor::new(trace)).unwrap();
        let writer = writer().laid_out(COLUMNS);
        compact(&mut reader, writer, &mut |_| ControlFlow::Continue(())).map(|(out, _)| out)
    }

    fn items(trace: &[u8]) -> Vec<(u64, Item)> {
        let mut reader = Reader::open(Cursor::new(trace)).unwrap();
        let mut items = Vec::new();
        while let Some(item) = reader.next_item().unwrap() {
            items.push(item);
        }
        assert!(reader.loss().is_none());
        items
    }

    #[test]
    fn unknown_events_and_gaps_keep_every_index() {
        let mut writer = writer();
        writer.append(stored(0, b"data")).unwrap();
        let unknown = UnknownEvent { time: Nanos(5), kind: 0x99, fields: vec![1, 2, 3] };
        writer.append_unknown(unknown).unwrap();
        writer.lose(40).unwrap();
        writer.append(stored(1, b"data")).unwrap();
        writer.append(end(20)).unwrap();
        let (trace, _) = writer.finish().unwrap();
        let before = items(&trace);
        assert_eq!(before.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 42, 43]);
        assert_eq!(items(&compacted(&trace).unwrap()), before);
    }

    #[test]
    fn payloads_that_no_event_names_are_left_out_and_shared_ones_stay_shared() {
        let mut source = writer();
        source.append(stored(0, b"once")).unwrap();
        source.append(stored(1, b"more")).unwrap();
        source.append(stored(2, b"once")).unwrap();
        source.append(end(30)).unwrap();
        let (trace, _) = source.finish().unwrap();
        let small = compacted(&trace).unwrap();
        let mut reader = Reader::open(Cursor::new(&small)).unwrap();
        while reader.next_event().unwrap().is_some() {}
        assert_eq!(reader.facts().payloads, 2);
        assert_eq!(reader.payload(PayloadId(0)).unwrap(), "once");
        assert_eq!(reader.payload(PayloadId(1)).unwrap(), "more");
        assert!(reader.payload(PayloadId(2)).is_err());
    }

    #[test]
    fn an_event_that_names_data_by_another_digest_is_refused() {
        // Payload 0 was copied before when the lie comes, 1 was not.
        for id in [0, 1] {
            let mut writer = writer();
            writer.append(stored(0, b"data")).unwrap();
            let lie = write(1, Payload::Stored(Digest(7), PayloadId(id)));
            writer.append(Entry { event: lie, data: None }).unwrap();
            writer.append(stored(2, b"more")).unwrap();
            writer.append(end(20)).unwrap();
            let (trace, _) = writer.finish().unwrap();
            let refused = compacted(&trace).unwrap_err();
            assert!(
                matches!(refused, EditError::Digest { id: found, .. } if found == id),
                "{refused}"
            );
        }
    }

    #[test]
    fn whoever_hears_of_the_progress_can_end_it() {
        let mut source = writer();
        for id in 0..10 {
            source.append(stored(id, b"data")).unwrap();
        }
        source.append(end(100)).unwrap();
        let (trace, _) = source.finish().unwrap();
        let mut reader = Reader::open(Cursor::new(&trace)).unwrap();
        let mut heard = Vec::new();
        let ended = compact(&mut reader, writer(), &mut |requests| {
            heard.push(requests);
            if requests < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        assert!(matches!(ended, Err(EditError::Interrupted { requests: 3 })));
        assert_eq!(heard, [1, 2, 3]);
    }
}
