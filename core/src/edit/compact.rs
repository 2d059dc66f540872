//! The smallest form of a trace: its events by column, its payloads packed harder.
//!
//! A reader and a writer come in, a whole trace goes out. Invariant: the same events with the same indices and
//! times, and the same data behind them; a trace that is not whole is refused.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;

use crate::event::{Event, EventKind, Payload, PayloadId};
use crate::format::{Entry, Events, Item, Loss, ReadError, Reader, WriteError, Writer, Written};
use crate::limits::{PAYLOADS_NUMBERED_MAX, REQUEST_DATA_BYTES_MAX};
use crate::request::Digest;

/// Why a trace cannot be compacted.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The trace cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new one cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A payload has more bytes than any request.
    #[error("payload {id} has {bytes} bytes, at most {REQUEST_DATA_BYTES_MAX} are allowed")]
    TooLong {
        /// Which.
        id: u64,
        /// Its length.
        bytes: usize,
    },
    /// An event names a payload by another digest than it has.
    #[error("payload {id} has the digest {found}, an event says {said}")]
    Digest {
        /// Which.
        id: u64,
        /// Of its bytes.
        found: Digest,
        /// In the event.
        said: Digest,
    },
    /// Whoever heard of the progress wanted no more.
    #[error("interrupted after {requests} requests")]
    Interrupted {
        /// Copied so far.
        requests: u64,
    },
    /// Something of it is missing.
    #[error("{0}")]
    Loss(Loss),
}

/// New numbers of the payloads that were copied last.
#[derive(Debug, Default)]
struct Numbers {
    new: HashMap<PayloadId, PayloadId>,
    order: VecDeque<PayloadId>,
}

impl Numbers {
    fn note(&mut self, old: PayloadId, new: PayloadId) {
        if self.order.len() >= PAYLOADS_NUMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.new.remove(&oldest);
        }
        if self.new.insert(old, new).is_none() {
            self.order.push_back(old);
        }
    }
}

/// Copies what `reader` has not given out yet, which must be all of its trace, to `writer`. `progress` hears how many
/// requests were copied, and says whether to go on.
pub fn compact<R: Read + Seek, W: Write>(
    reader: &mut Reader<R>,
    mut writer: Writer<W>,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(W, Written), CompactError> {
    let mut numbers = Numbers::default();
    let (mut next, mut requests) = (0, 0);
    while let Some((index, item)) = reader.next_item()? {
        let missing = index.saturating_sub(next);
        writer.lose(u32::try_from(missing).unwrap_or(u32::MAX))?;
        next = index + 1;
        match item {
            Item::Unknown(event) => writer.append_unknown(event)?,
            Item::Event(event) => {
                let issue = matches!(event.kind, EventKind::Issue(_));
                copy(event, reader, &mut writer, &mut numbers)?;
                requests += u64::from(issue);
                if issue && progress(requests).is_break() {
                    return Err(CompactError::Interrupted { requests });
                }
            }
        }
    }
    if let Some(loss) = Events::loss(reader) {
        return Err(CompactError::Loss(loss));
    }
    Ok(writer.finish()?)
}

/// Copies an event, and the data that it names if they were not copied before.
fn copy<R: Read + Seek, W: Write>(
    mut event: Event,
    reader: &mut Reader<R>,
    writer: &mut Writer<W>,
    numbers: &mut Numbers,
) -> Result<(), CompactError> {
    let payload = match &mut event.kind {
        EventKind::Issue(issue) => &mut issue.payload,
        EventKind::Block(block) => &mut block.payload,
        _ => return Ok(writer.append(Entry { event, data: None })?),
    };
    let Payload::Stored(digest, old) = *payload else {
        return Ok(writer.append(Entry { event, data: None })?);
    };
    if let Some(new) = numbers.new.get(&old) {
        *payload = Payload::Stored(digest, *new);
        return Ok(writer.append(Entry { event, data: None })?);
    }
    let data = reader.payload(old)?;
    check(old, digest, &data)?;
    *payload = Payload::Digest(digest);
    if let Some(new) = writer.append_numbered(Entry { event, data: Some(data) })? {
        numbers.note(old, new);
    }
    Ok(())
}

/// Refuses data that no recorder stores: they would not read back.
fn check(id: PayloadId, said: Digest, data: &[u8]) -> Result<(), CompactError> {
    if data.len() > REQUEST_DATA_BYTES_MAX as usize {
        return Err(CompactError::TooLong { id: id.0, bytes: data.len() });
    }
    let found = Digest::of(data);
    if found == said { Ok(()) } else { Err(CompactError::Digest { id: id.0, found, said }) }
}
