//! A part of a trace, as a trace. Readers and a cut come in, a plan goes out; with it, a writer takes the part.
//!
//! Two passes: the header says how many requests there are, and is written first. Invariant: the part has the ids and
//! times of the whole, and of a request both its issue and its completion.

use std::collections::BTreeSet;
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;

use super::copy::Copier;
use super::error::EditError;
use super::select::{Chooser, Cut, Seen, Selector};
use crate::event::{Event, EventKind};
use crate::format::{
    Entry, Events, ExportHeader, Fingerprint, FingerprintMethod, Header, Item, Reader,
    SlicedHeader, Writer, Written,
};
use crate::position::Position;
use crate::request::DeviceId;
use crate::units::Nanos;

/// What a cut of a trace comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The cut, with its positions as indices of events.
    cut: Cut,
    seen: Seen,
}

impl Planned {
    /// Requests that stay.
    pub fn requests(&self) -> u64 {
        self.seen.requests
    }

    /// Requests that modify and are left out before the end of the cut: what is read may not be what was read.
    pub fn changes_left_out(&self) -> u64 {
        self.seen.changes
    }

    /// Events of a virtual machine that are left out inside the cut.
    pub fn guest_events_left_out(&self) -> u64 {
        self.seen.guest
    }

    /// The header of the part, from that of the whole. A device that was changed before its first request that stays
    /// has no fingerprint: nobody knows what it held by then.
    pub fn header(&self, whole: &Header, sliced: SlicedHeader) -> Header {
        let mut header = whole.clone();
        for device in &self.seen.changed {
            if let Some(device) = header.devices.get_mut(usize::from(device.0)) {
                device.fingerprint = Fingerprint { method: FingerprintMethod::None, digest: None };
            }
        }
        if let Some(kept) = &self.cut.devices {
            let numbered = (0..).map(DeviceId).zip(std::mem::take(&mut header.devices));
            header.devices = numbered
                .filter(|(device, _)| kept.contains(device))
                .map(|(_, device)| device)
                .collect();
            header.exports = header
                .exports
                .into_iter()
                .filter_map(|export| {
                    let device = renumbered(kept, DeviceId(export.device))?.0;
                    Some(ExportHeader { device, ..export })
                })
                .collect();
        }
        header.edits.sliced.push(sliced);
        header
    }
}

/// Reads all that `reader` has not given out yet, which must be all of its trace, and says what `cut` comes to.
/// `progress` hears how many requests were seen, and says whether to go on.
pub fn plan_slice<R: Read + Seek>(
    reader: &mut Reader<R>,
    cut: &Cut,
    chooser: Option<&mut Chooser<'_, R>>,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Planned, EditError> {
    let mut selector = Selector::new(cut, reader.header(), chooser)?;
    let mut kept = Vec::new();
    let mut requests = 0;
    loop {
        let Some((index, event)) = reader.next_event()? else {
            if let Some(loss) = Events::loss(reader) {
                return Err(EditError::Loss(loss));
            }
            selector.finish()?;
            break;
        };
        hear(&event, &mut requests, progress)?;
        selector.take(index, event, &mut kept)?;
        kept.clear();
        if selector.is_done() {
            break;
        }
    }
    let seen = selector.seen;
    let at = |index: Option<u64>| index.map(Position::Event);
    let cut = Cut { from: at(seen.from), to: at(seen.to), devices: cut.devices.clone() };
    Ok(Planned { cut, seen })
}

/// Copies what was planned from `reader`, at the beginning of its trace, to `writer`. The chooser must choose as it did for the
/// plan.
pub fn slice<R: Read + Seek, W: Write>(
    reader: &mut Reader<R>,
    mut writer: Writer<W>,
    planned: &Planned,
    chooser: Option<&mut Chooser<'_, R>>,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(W, Written), EditError> {
    let cut = &planned.cut;
    let mut selector = Selector::new(cut, reader.header(), chooser)?;
    let mut copier = Copier::one_of(1);
    let mut kept = Vec::new();
    let (mut next, mut missing, mut requests) = (0, 0_u64, 0);
    let mut end = Event { time: Nanos(0), kind: EventKind::End { status: None } };
    while !selector.is_done() {
        let Some((index, item)) = reader.next_item()? else {
            if let Some(loss) = Events::loss(reader) {
                return Err(EditError::Loss(loss));
            }
            break;
        };
        if selector.is_begun() {
            missing += index.saturating_sub(next);
        }
        next = index + 1;
        match item {
            Item::Unknown(event) if selector.keeps_all() => {
                lose(&mut writer, &mut missing)?;
                writer.append_unknown(event)?;
            }
            Item::Unknown(_) => {}
            Item::Event(event) => {
                hear(&event, &mut requests, progress)?;
                if matches!(event.kind, EventKind::End { .. }) && selector.reaches_end() {
                    end = event.clone();
                }
                selector.take(index, event, &mut kept)?;
                let stay = kept.drain(..).filter_map(|one| renumber(one, cut.devices.as_ref()));
                for event in stay {
                    lose(&mut writer, &mut missing)?;
                    copier.copy(event, reader, &mut writer)?;
                }
            }
        }
    }
    if selector.seen != planned.seen {
        return Err(EditError::Changed { event: next });
    }
    lose(&mut writer, &mut missing)?;
    writer.append(Entry { event: end, data: None })?;
    Ok(writer.finish()?)
}

/// Counts a request, and asks whether to go on.
fn hear(
    event: &Event,
    requests: &mut u64,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(), EditError> {
    if matches!(event.kind, EventKind::Issue(_)) {
        *requests += 1;
        if progress(*requests).is_break() {
            return Err(EditError::Interrupted { requests: *requests });
        }
    }
    Ok(())
}

/// Says in the part what is missing in the whole.
fn lose<W: Write>(writer: &mut Writer<W>, missing: &mut u64) -> Result<(), EditError> {
    let events = u32::try_from(std::mem::take(missing)).unwrap_or(u32::MAX);
    Ok(writer.lose(events)?)
}

/// The number of a device among those that stay.
fn renumbered(kept: &BTreeSet<DeviceId>, device: DeviceId) -> Option<DeviceId> {
    let place = kept.iter().position(|one| *one == device)?;
    u16::try_from(place).ok().map(DeviceId)
}

/// An event with the new number of its device; `None` if that does not stay.
fn renumber(mut event: Event, kept: Option<&BTreeSet<DeviceId>>) -> Option<Event> {
    let Some(kept) = kept else { return Some(event) };
    let device = match &mut event.kind {
        EventKind::Issue(issue) => &mut issue.device,
        EventKind::Block(block) => &mut block.device,
        EventKind::Connect(connect) => &mut connect.device,
        EventKind::Open { device }
        | EventKind::Length { device, .. }
        | EventKind::Close { device } => device,
        _ => return Some(event),
    };
    *device = renumbered(kept, *device)?;
    Some(event)
}
