//! Goes over a trace and finds the ids of the requests that a filter means. A reader in, ids out, in the order of issue.
//!
//! Columns say which completion is whose by looking one chunk back; `rows` remembers all. Invariant: where the two could
//! differ, nothing is said.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use super::ColumnFilter;
use super::mask::mask;
use super::skip::Skipper;
use crate::format::{ColumnChunk, Loss, Outline, ReadError, Reader, Scan, Scanned, Step};
use crate::limits::ROWS_HELD_MAX;
use crate::request::{Operation, RequestId};

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
    /// `None` if all chunks are to be read.
    skipper: Option<Skipper>,
    pass: Pass,
    finished: bool,
}

impl<R: Read + Seek> Search<R> {
    /// Searches all of a trace, of which `reader` has given out nothing. Chunks are passed over where their summaries say
    /// that nothing there can be meant.
    pub fn new(reader: Reader<R>, filter: ColumnFilter) -> Search<R> {
        let skipper = Some(Skipper::new(reader.header()));
        let scan = Scan::new(reader, filter.fields);
        Search { scan, filter, skipper, pass: Pass::default(), finished: false }
    }

    /// Passes over nothing.
    #[must_use]
    pub fn reading_all(self) -> Search<R> {
        Search { skipper: None, ..self }
    }

    /// The ids of requests that are meant, as far as the next chunk lets that be known; `None` at the end of what is whole. They
    /// ascend from call to call: where the filter asks how requests ended, those behind an open one wait for it.
    pub fn next_found(&mut self) -> Result<Option<&[u64]>, SearchError> {
        Ok(self.next_decided()?.map(|(found, _)| found))
    }

    /// As [`Search::next_found`], and the least id of those of which it is not known yet whether they are meant.
    pub(super) fn next_decided(&mut self) -> Result<Option<(&[u64], u64)>, SearchError> {
        if self.finished {
            return Ok(None);
        }
        let Search { scan, filter, skipper, pass, .. } = self;
        let step = scan.next_step(|entry, summary| {
            skipper.as_mut().is_some_and(|skipper| skipper.passes(filter, entry, summary))
        });
        match step? {
            Some(Step::Columns(chunk)) => pass.chunk(filter, chunk)?,
            Some(Step::Passed(outline)) => pass.pass(filter, outline)?,
            None => {
                self.finished = true;
                pass.finish();
            }
        }
        Ok(Some((&self.pass.found, self.pass.decided)))
    }

    /// Requests that were looked at, or passed over.
    pub fn requests(&self) -> u64 {
        self.pass.requests
    }

    /// Chunks that were read, or passed over.
    pub fn chunks(&self) -> Scanned {
        self.scan.counts()
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
    /// Of lower ids it is known whether they are meant.
    decided: u64,
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
            self.chunks.clear();
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
        // Those of chunks before are the oldest, and in order.
        let before = issues.id[issues.own..].first();
        let open = || issues.id.iter().zip(&answered).find(|(_, answered)| **answered == 0);
        let oldest = before.or_else(|| open().map(|(id, _)| id)).copied();
        self.hold(oldest)?;
        self.open.clear();
        let mut holds = mask(&filter.node, chunk);
        if holds.contains(&1) {
            let never = holds.iter().zip(&answered).map(|(holds, answered)| holds & !answered);
            self.open.extend(taken(&issues.id, &never.collect::<Vec<_>>()));
            holds.iter_mut().zip(&answered).for_each(|(holds, answered)| *holds &= answered);
            self.waiting.extend(taken(&issues.id, &holds));
            self.waiting.sort_unstable();
        }
        self.release(oldest);
        Ok(())
    }

    /// Goes on behind a chunk in which nothing is meant.
    fn pass(&mut self, filter: &ColumnFilter, outline: &Outline) -> Result<(), SearchError> {
        self.found.clear();
        if self.ended {
            return Err(SearchError::Odd);
        }
        if let Some((first, last)) = outline.ids {
            self.follow(first.0, last.0, outline.issues)?;
        }
        if !filter.asks_completions {
            self.chunks.clear();
            return Ok(());
        }
        let open = &outline.open;
        self.open.retain(|id| open.binary_search(&RequestId(*id)).is_ok());
        let oldest = open.first().map(|id| id.0);
        self.hold(oldest)?;
        self.release(oldest);
        Ok(())
    }

    /// Gives out what was found and lies before the oldest open request.
    fn release(&mut self, oldest: Option<u64>) {
        let before = |oldest| self.waiting.partition_point(|id| *id < oldest);
        let known = oldest.map_or(self.waiting.len(), before);
        self.found.extend(self.waiting.drain(..known));
        let behind = self.last_id.map_or(0, |last| last.saturating_add(1));
        self.decided = oldest.unwrap_or(behind);
    }

    /// No chunk follows: what is open stays open.
    fn finish(&mut self) {
        self.found.clear();
        self.found.append(&mut self.waiting);
        self.found.append(&mut self.open);
        self.found.sort_unstable();
        self.decided = u64::MAX;
    }

    /// Counts requests; their ids must count up.
    fn count(&mut self, ids: &[u64]) -> Result<(), SearchError> {
        let Some((first, last)) = ids.first().zip(ids.last()) else { return Ok(()) };
        if !ids.is_sorted_by(|one, other| one < other) {
            return Err(SearchError::Odd);
        }
        self.follow(*first, *last, ids.len() as u64)
    }

    /// Counts `count` requests, from the first to the last id.
    fn follow(&mut self, first: u64, last: u64, count: u64) -> Result<(), SearchError> {
        if self.last_id.is_some_and(|before| before >= first) {
            return Err(SearchError::Odd);
        }
        self.chunks.push_back((first, self.requests));
        // A summary may say what it likes.
        self.requests = self.requests.saturating_add(count);
        self.last_id = Some(last);
        self.decided = last.saturating_add(1);
        Ok(())
    }

    /// Refuses an oldest open request that stays so for so long that `rows` may have given it out; where in its chunk it was
    /// issued is not looked at.
    fn hold(&mut self, oldest: Option<u64>) -> Result<(), SearchError> {
        let Some(oldest) = oldest else {
            self.chunks.clear();
            return Ok(());
        };
        while self.chunks.get(1).is_some_and(|(first, _)| *first <= oldest) {
            self.chunks.pop_front();
        }
        let (_, place) = self.chunks.front().copied().unwrap_or_default();
        let is_odd = self.requests - place > ROWS_HELD_MAX as u64;
        if is_odd { Err(SearchError::Odd) } else { Ok(()) }
    }
}

/// The ids of those that are meant.
fn taken<'a>(ids: &'a [u64], holds: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
    ids.iter().zip(holds).filter(|(_, holds)| **holds == 1).map(|(id, _)| *id)
}
