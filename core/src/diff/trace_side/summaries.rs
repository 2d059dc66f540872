//! Where in a trace a part begins, and what summaries say of its epochs: a reader in, places and sums out.
//!
//! No bodies are read. Invariant: where summaries do not say all, nothing is said.

use std::io::{Read, Seek};

use crate::diff::side::EpochSums;
use crate::format::{ChunkEntry, ReadError, Reader, State, any_between};
use crate::limits::EPOCHS_LISTED_MAX;
use crate::request::DeviceId;

/// A chunk of events, and how many requests were issued before it.
pub(super) struct Chunk {
    pub(super) entry: ChunkEntry,
    pub(super) place: u64,
}

pub(super) fn chunks<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Vec<Chunk>, ReadError> {
    let entries = reader.chunk_entries()?.iter().filter(|entry| entry.holds_events);
    let mut place: u64 = 0;
    Ok(entries
        .map(|entry| {
            let chunk = Chunk { entry: *entry, place };
            place = place.saturating_add(entry.issues);
            chunk
        })
        .collect())
}

/// Where to begin reading.
pub(super) struct Start {
    pub(super) event: u64,
    pub(super) place: u64,
    pub(super) state: State,
}

/// Where to begin to see all requests from an epoch of a device on, and all that are in flight with the first of them; `None` for
/// the beginning.
pub(super) fn start<R: Read + Seek>(
    reader: &mut Reader<R>,
    device: DeviceId,
    epoch: u64,
) -> Result<Option<Start>, ReadError> {
    let chunks = chunks(reader)?;
    let state = |reader: &mut Reader<R>, place: usize| match reader.summary(&chunks[place].entry) {
        Ok(summary) => Ok(summary.state),
        // The index does not say what is there.
        Err(ReadError::ChunkLost { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    // The first chunk by whose end the epoch has begun.
    let (mut low, mut high) = (0, chunks.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(state) = state(reader, middle)? else { return Ok(None) };
        if state.flushes_of(Some(device)) < epoch {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let Some(before) = low.checked_sub(1) else { return Ok(None) };
    let Some(open) = state(reader, before)? else { return Ok(None) };
    let Some(open) = open.listed() else { return Ok(None) };
    // What is in flight there may be a barrier; where it was issued is known by its id.
    let issues_any = |chunk: &Chunk| chunk.entry.ids.is_some_and(|ids| any_between(open, ids));
    let from = chunks.iter().take(low).position(issues_any).unwrap_or(low);
    if from == 0 {
        return Ok(None);
    }
    let Some(state) = state(reader, from - 1)? else { return Ok(None) };
    // Behind the last chunk there is no such epoch, but there may be loss.
    let Some(chunk) = chunks.get(from) else { return Ok(None) };
    Ok(Some(Start { event: chunk.entry.first, place: chunk.place, state }))
}

/// What the summaries say; `None` if one of them does not, or not all requests are in the sums.
pub(super) fn sums<R: Read + Seek>(
    reader: &mut Reader<R>,
    device: DeviceId,
) -> Result<Option<EpochSums>, ReadError> {
    let chunks = chunks(reader)?;
    let mut sums = EpochSums::default();
    let mut state = State::default();
    let (mut issued, mut summed): (u64, u64) = (0, 0);
    for Chunk { entry, .. } in &chunks {
        let summary = match reader.summary(entry) {
            Ok(summary) => summary,
            Err(ReadError::ChunkLost { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (Some(epochs), Some(end)) = (summary.epochs, summary.state) else { return Ok(None) };
        state = end;
        issued = issued.saturating_add(entry.issues);
        for sum in epochs {
            summed = summed.saturating_add(sum.count);
            let Ok(place) = usize::try_from(sum.epoch) else { return Ok(None) };
            if sum.device != device {
                continue;
            }
            if place >= EPOCHS_LISTED_MAX || sum.epoch > state.flushes_of(Some(device)) {
                return Ok(None);
            }
            if sums.epochs.len() <= place {
                sums.epochs.resize(place + 1, (0, 0));
            }
            let (count, total) = &mut sums.epochs[place];
            *count = count.saturating_add(sum.count);
            *total = total.wrapping_add(sum.sum);
        }
    }
    let whole = state.open == 0 && issued == summed;
    Ok(whole.then_some(sums))
}
