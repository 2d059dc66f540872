//! Copies events with the data that they name. A reader and events come in, a writer takes them.
//!
//! Knows nothing of what events are for. Invariant: data are copied once as long as their number is remembered, and
//! only if they have the digest that their event says.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Seek, Write};

use super::error::EditError;
use crate::event::{Event, EventKind, Payload, PayloadId};
use crate::format::{Entry, Reader, Writer};
use crate::limits::{PAYLOADS_NUMBERED_MAX, REQUEST_DATA_BYTES_MAX};
use crate::request::Digest;

/// New numbers and the digests of the payloads that were copied last.
#[derive(Debug)]
pub(super) struct Copier {
    new: HashMap<PayloadId, (PayloadId, Digest)>,
    order: VecDeque<PayloadId>,
    remembered: usize,
}

impl Copier {
    /// One of so many that copy at the same time.
    pub(super) fn one_of(copiers: usize) -> Copier {
        let remembered = PAYLOADS_NUMBERED_MAX / copiers.max(1);
        Copier { new: HashMap::new(), order: VecDeque::new(), remembered }
    }

    /// Copies an event, and the data that it names if they were not copied before.
    pub(super) fn copy<R: Read + Seek, W: Write>(
        &mut self,
        mut event: Event,
        reader: &mut Reader<R>,
        writer: &mut Writer<W>,
    ) -> Result<(), EditError> {
        let payload = match &mut event.kind {
            EventKind::Issue(issue) => &mut issue.payload,
            EventKind::Block(block) => &mut block.payload,
            _ => return Ok(writer.append(Entry { event, data: None })?),
        };
        let Payload::Stored(digest, old) = *payload else {
            return Ok(writer.append(Entry { event, data: None })?);
        };
        if let Some(&(new, found)) = self.new.get(&old) {
            if found != digest {
                return Err(EditError::Digest { id: old.0, found, said: digest });
            }
            *payload = Payload::Stored(digest, new);
            return Ok(writer.append(Entry { event, data: None })?);
        }
        let data = reader.payload(old)?;
        check(old, digest, &data)?;
        *payload = Payload::Digest(digest);
        if let Some(new) = writer.append_numbered(Entry { event, data: Some(data) })? {
            self.note(old, new, digest);
        }
        Ok(())
    }

    fn note(&mut self, old: PayloadId, new: PayloadId, digest: Digest) {
        if self.order.len() >= self.remembered
            && let Some(oldest) = self.order.pop_front()
        {
            self.new.remove(&oldest);
        }
        if self.new.insert(old, (new, digest)).is_none() {
            self.order.push_back(old);
        }
    }
}

/// Refuses data that no recorder stores: they would not read back.
fn check(id: PayloadId, said: Digest, data: &[u8]) -> Result<(), EditError> {
    if data.len() > REQUEST_DATA_BYTES_MAX as usize {
        return Err(EditError::TooLong { id: id.0, bytes: data.len() });
    }
    let found = Digest::of(data);
    if found == said { Ok(()) } else { Err(EditError::Digest { id: id.0, found, said }) }
}
