//! A trace without names and data. A reader and a key come in, a writer takes what is left.
//!
//! Kept are operations, lengths, flags, order, times, results, and which data are equal. Invariants: no byte of a payload,
//! no digest, no name and no cookie is written; each event that is kept is made anew from what may be known of it.

use std::collections::HashMap;
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;

use super::error::EditError;
use super::kinds::is_guest;
use super::shuffle::{Groups, Shuffle};
use super::token::Key;
use crate::event::{Block, Connect, Event, EventKind, Issue, MarkName, Payload};
use crate::format::{Entry, Events, Item, Reader, Writer, Written};
use crate::limits::MARKS_NUMBERED_MAX;
use crate::request::Operation;

/// What was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Digests that tokens stand for now.
    pub digests: u64,
    /// Of them, those whose data were in the trace.
    pub data: u64,
    /// Marks that numbers stand for now.
    pub marks: u64,
    /// Events of a virtual machine.
    pub guest: u64,
    /// Notes of kinds that are not known.
    pub unknown: u64,
}

/// Reads all of a trace and tells `groups` of its requests.
pub fn group<R: Read + Seek>(
    reader: &mut Reader<R>,
    groups: &mut Groups,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(), EditError> {
    let mut requests = 0;
    while let Some((_, event)) = reader.next_event()? {
        if let EventKind::Issue(issue) = &event.kind {
            groups.note(issue);
            hear(&mut requests, progress)?;
        }
    }
    Events::loss(reader).map_or(Ok(()), |loss| Err(EditError::Loss(loss)))
}

/// Copies what `reader` has not given out yet, which must be all of its trace, without names and data to `writer`.
/// `progress` hears how many requests were copied, and says whether to go on.
pub fn anonymize<R: Read + Seek, W: Write>(
    reader: &mut Reader<R>,
    mut writer: Writer<W>,
    key: &Key,
    shuffle: Option<&Shuffle>,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(W, Written, Removed), EditError> {
    let mut veil = Veil { key, shuffle, marks: HashMap::new(), removed: Removed::default() };
    let (mut next, mut missing, mut requests) = (0, 0_u64, 0);
    while let Some((index, item)) = reader.next_item()? {
        missing += index.saturating_sub(next);
        next = index + 1;
        let Item::Event(event) = item else {
            veil.removed.unknown += 1;
            continue;
        };
        if is_guest(&event.kind) {
            veil.removed.guest += 1;
            continue;
        }
        if matches!(event.kind, EventKind::Issue(_)) {
            hear(&mut requests, progress)?;
        }
        let kind = veil.kind(event.kind);
        writer.lose(u32::try_from(std::mem::take(&mut missing)).unwrap_or(u32::MAX))?;
        writer.append(Entry { event: Event { time: event.time, kind }, data: None })?;
    }
    if let Some(loss) = Events::loss(reader) {
        return Err(EditError::Loss(loss));
    }
    let (out, written) = writer.finish()?;
    Ok((out, written, veil.removed))
}

/// Counts a request, and asks whether to go on.
fn hear(
    requests: &mut u64,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(), EditError> {
    *requests += 1;
    if progress(*requests).is_break() {
        return Err(EditError::Interrupted { requests: *requests });
    }
    Ok(())
}

/// What names are hidden behind.
struct Veil<'a> {
    key: &'a Key,
    shuffle: Option<&'a Shuffle>,
    /// The numbers of marks, by the tokens of their names.
    marks: HashMap<u128, usize>,
    removed: Removed,
}

impl Veil<'_> {
    fn kind(&mut self, kind: EventKind) -> EventKind {
        match kind {
            EventKind::Issue(issue) => EventKind::Issue(self.issue(&issue)),
            EventKind::Block(block) => {
                let payload = self.payload(block.payload);
                EventKind::Block(Block { payload, ..block })
            }
            EventKind::Connect(connect) => EventKind::Connect(Connect {
                // The number of a device is a name of its export, too.
                export: connect.device.0.to_string(),
                ..connect
            }),
            EventKind::Mark { name } => EventKind::Mark { name: self.mark(&name) },
            kind => kind,
        }
    }

    fn issue(&mut self, issue: &Issue) -> Issue {
        let mut request = issue.request;
        if let Some(shuffle) = self.shuffle
            && request.operation != Operation::Flush
        {
            request.range.offset = shuffle.offset(issue.device, request.range);
        }
        let Issue { id, device, connection, early, .. } = *issue;
        let payload = self.payload(issue.payload);
        Issue { id, device, connection, cookie: 0, request, payload, early }
    }

    fn payload(&mut self, payload: Payload) -> Payload {
        let digest = match payload {
            Payload::Absent | Payload::Zeroes => return payload,
            Payload::Digest(digest) => digest,
            Payload::Stored(digest, _) => {
                self.removed.data += 1;
                digest
            }
        };
        self.removed.digests += 1;
        Payload::Digest(self.key.digest(digest))
    }

    fn mark(&mut self, name: &MarkName) -> MarkName {
        self.removed.marks += 1;
        let token = self.key.mark(name.as_str());
        let known = self.marks.len();
        let text = match self.marks.get(&token) {
            Some(number) => format!("mark{number}"),
            None if known < MARKS_NUMBERED_MAX => {
                self.marks.insert(token, known + 1);
                format!("mark{}", known + 1)
            }
            None => format!("mark-{token:032x}"),
        };
        text.parse().expect("letters and digits are a name")
    }
}
