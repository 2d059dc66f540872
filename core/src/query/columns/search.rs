//! Goes over a trace and finds the ids of the requests that a filter means. A reader in, ids out, in the order of issue.
//!
//! Columns say which completion is whose by looking one chunk back; `rows` remembers all. Invariant: where the two could
//! differ, nothing is said.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use super::ColumnFilter;
use super::mask::mask;
use crate::format::{ColumnChunk, Loss, ReadError, Reader, Scan};
use crate::limits::ROWS_HELD_MAX;
use crate::request::Operation;

/// Why there is no more to find.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The trace could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Ids do not count up, a request is answered twice, or one stays open for as many as `rows` holds: no recorder writes
    /// the first two. Or something follows the end of the recording, or the trace grew or changed meanwhile. Rows must be asked.
    #[error("the requests of this trace cannot be told apart by column")]
    Odd,
}

/// A trace that is being searched.
#[derive(Debug)]
pub struct Search<R> {
    scan: Scan<R>,
    filter: ColumnFilter,
    pass: Pass,
    finished: bool,
}

impl<R: Read + Seek> Search<R> {
    /// Searches all of a trace, of which `reader` has given out nothing.
    pub fn new(reader: Reader<R>, filter: ColumnFilter) -> Search<R> {
        let scan = Scan::new(reader, filter.fields);
        Search { scan, filter, pass: Pass::default(), finished: false }
    }

    /// The ids of requests that are meant, as far as the next chunk lets that be known; `None` at the end of what is whole. They
    /// ascend from call to call: where the filter asks how requests ended, those behind an open one wait for it.
    pub fn next_found(&mut self) -> Result<Option<&[u64]>, SearchError> {
        if self.finished {
            return Ok(None);
        }
        if let Some(chunk) = self.scan.next_chunk()? {
            self.pass.chunk(&self.filter, chunk)?;
        } else {
            self.finished = true;
            self.pass.finish();
        }
        Ok(Some(&self.pass.found))
    }

    /// Requests that were looked at.
    pub fn requests(&self) -> u64 {
        self.pass.requests
    }

    /// What is missing. Set once [`Search::next_found`] has given `None`, if the trace is not whole. A trace that only lacks
    /// its last event is taken as whole.
    pub fn loss(&self) -> Option<&Loss> {
        self.scan.loss()
    }

    /// The byte behind what is whole. Known once [`Search::next_found`] has given `None`.
    pub(super) fn end(&self) -> u64 {
        self.scan.end()
    }
}

/// What is remembered from chunk to chunk.
#[derive(Debug, Default)]
struct Pass {
    requests: u64,
    last_id: Option<u64>,
    /// Of chunks that may have open requests: the first id, and how many requests there were before.
    chunks: VecDeque<(u64, u64)>,
    /// Ids of those that are given out.
    found: Vec<u64>,
    /// Ids of others, found behind one that is open; as many as `rows` holds at most.
    waiting: Vec<u64>,
    /// Ids of open ones that are meant if they never end.
    open: Vec<u64>,
    /// The recording ended in a chunk before.
    ended: bool,
}

impl Pass {
    fn chunk(&mut self, filter: &ColumnFilter, chunk: &ColumnChunk) -> Result<(), SearchError> {
        self.found.clear();
        if std::mem::replace(&mut self.ended, chunk.ended) {
            return Err(SearchError::Odd);
        }
        let issues = &chunk.issues;
        self.count(&issues.id[..issues.own])?;
        // Bits that this version does not know are an error where rows are made.
        let known = issues.operation.iter().all(|one| usize::from(*one) < Operation::NAMES.len());
        if !known || issues.flags.iter().any(|bits| *bits > 15) {
            return Err(SearchError::Odd);
        }
        if !filter.asks_completions {
            let holds = mask(&filter.node, chunk);
            self.found.extend(taken(&issues.id, &holds));
            return Ok(());
        }
        let mut answered = vec![0_u8; issues.id.len()];
        let mut twice = 0;
        for issue in &chunk.blocks.issue {
            if let Some(answers) = answered.get_mut(*issue as usize) {
                twice |= *answers;
                *answers = 1;
            }
        }
        if twice != 0 {
            return Err(SearchError::Odd);
        }
        let oldest = self.hold(issues.own, &issues.id, &answered)?;
        self.open.clear();
        let mut holds = mask(&filter.node, chunk);
        if holds.contains(&1) {
            let never = holds.iter().zip(&answered).map(|(holds, answered)| holds & !answered);
            self.open.extend(taken(&issues.id, &never.collect::<Vec<_>>()));
            holds.iter_mut().zip(&answered).for_each(|(holds, answered)| *holds &= answered);
            self.waiting.extend(taken(&issues.id, &holds));
            self.waiting.sort_unstable();
        }
        let known = oldest
            .map_or(self.waiting.len(), |oldest| self.waiting.partition_point(|id| *id < oldest));
        self.found.extend(self.waiting.drain(..known));
        Ok(())
    }

    /// No chunk follows: what is open stays open.
    fn finish(&mut self) {
        self.found.clear();
        self.found.append(&mut self.waiting);
        self.found.append(&mut self.open);
        self.found.sort_unstable();
    }

    /// Counts requests; their ids must count up.
    fn count(&mut self, ids: &[u64]) -> Result<(), SearchError> {
        let Some((first, last)) = ids.first().zip(ids.last()) else { return Ok(()) };
        let follows = self.last_id.is_none_or(|before| before < *first);
        if !follows || !ids.is_sorted_by(|one, other| one < other) {
            return Err(SearchError::Odd);
        }
        self.chunks.push_back((*first, self.requests));
        self.requests += ids.len() as u64;
        self.last_id = Some(*last);
        Ok(())
    }

    /// The oldest open request. Refuses one that stays open for so long that `rows` may have given it out; where in its chunk it
    /// was issued is not looked at.
    fn hold(
        &mut self,
        own: usize,
        ids: &[u64],
        answered: &[u8],
    ) -> Result<Option<u64>, SearchError> {
        // Those of chunks before are the oldest, and in order.
        let before = ids[own..].first().copied();
        let open = || ids.iter().zip(answered).find(|(_, answered)| **answered == 0);
        let Some(oldest) = before.or_else(|| open().map(|(id, _)| *id)) else {
            self.chunks.clear();
            return Ok(None);
        };
        while self.chunks.get(1).is_some_and(|(first, _)| *first <= oldest) {
            self.chunks.pop_front();
        }
        let (_, place) = self.chunks.front().copied().unwrap_or_default();
        let is_odd = self.requests - place > ROWS_HELD_MAX as u64;
        if is_odd { Err(SearchError::Odd) } else { Ok(Some(oldest)) }
    }
}

/// The ids of those that are meant.
fn taken<'a>(ids: &'a [u64], holds: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
    ids.iter().zip(holds).filter(|(_, holds)| **holds == 1).map(|(id, _)| *id)
}
