//! How many requests get how far through a filter: a reader and a filter in, counts out.
//!
//! All chunks are read, so it is asked only where nothing was found. Invariant: the counts are those of asking the filter about
//! every row, where the search found nothing odd.

use std::io::{Read, Seek};

use super::mask::mask;
use super::{ColumnFilter, SearchError};
use crate::format::{ColumnChunk, Reader, Scan};

/// How many requests there are in a trace, of which `reader` has given out nothing; then, of each term of the filter, how many
/// pass it and those before it.
pub(super) fn passed<R: Read + Seek>(
    reader: Reader<R>,
    filter: &ColumnFilter,
) -> Result<Vec<u64>, SearchError> {
    let mut scan = Scan::new(reader, filter.fields);
    let mut counts = vec![0; 1 + filter.terms.len()];
    // Of those that are open: they count once it is known that they stay so.
    let mut open = counts.clone();
    while let Some(chunk) = scan.next_chunk()? {
        let ended = ended(chunk, filter.asks_completions);
        let mut holds = vec![1; chunk.issues.id.len()];
        open.fill(0);
        for (place, (count, open)) in counts.iter_mut().zip(&mut open).enumerate() {
            if let Some(term) = place.checked_sub(1).and_then(|term| filter.terms.get(term)) {
                holds.iter_mut().zip(mask(term, chunk)).for_each(|(all, one)| *all &= one);
            }
            let taken = || holds.iter().zip(&ended);
            *count += taken().filter(|(holds, ended)| **holds & **ended == 1).count() as u64;
            *open = taken().filter(|(holds, ended)| **holds & !**ended == 1).count() as u64;
        }
    }
    if scan.loss().is_some_and(super::found::is_damage) {
        return Err(SearchError::Odd);
    }
    counts.iter_mut().zip(open).for_each(|(count, open)| *count += open);
    Ok(counts)
}

/// Which requests of a chunk are looked at no more: those that are answered, or all if nobody asks how they ended.
fn ended(chunk: &ColumnChunk, asks_completions: bool) -> Vec<u8> {
    let mut ended = vec![u8::from(!asks_completions); chunk.issues.id.len()];
    for issue in &chunk.blocks.issue {
        if let Some(ended) = ended.get_mut(*issue as usize) {
            *ended = 1;
        }
    }
    ended
}
