//! What is done again: a request that failed, a range that is written again and again.
//!
//! Rows in, findings out, in the order of issue. Invariant: memory is bounded; what is beyond it is not found, and never found wrongly.

use std::collections::{HashMap, VecDeque};

use super::place::Place;
use super::{Finding, words_of};
use crate::event::Payload;
use crate::limits::{FINDINGS_ERRORS_MAX, FINDINGS_RANGES_MAX};
use crate::request::{DeviceId, Errno, Operation, Request, RequestId};
use crate::rows::Row;
use crate::units::{ByteRange, Nanos};

/// Who asks again within this time of the failure.
const RETRY: Nanos = Nanos(1_000_000_000);

/// As often as this is too often.
const TOO_OFTEN: u64 = 3;

/// A request that failed.
#[derive(Debug, Clone, Copy)]
struct Failed {
    id: RequestId,
    device: DeviceId,
    request: Request,
    payload: Payload,
    errno: Errno,
    released: Nanos,
}

/// The requests that failed last.
#[derive(Debug, Default)]
pub(super) struct Retries {
    failed: VecDeque<Failed>,
    /// One that might have been asked again was forgotten.
    pub(super) forgot: bool,
}

impl Retries {
    pub(super) fn row(&mut self, row: &Row, found: &mut Vec<Finding>) {
        let Row { id, device, request, payload, .. } = *row;
        let again = self.failed.iter().rev().find(|failed| {
            let same = failed.device == device && failed.request == request;
            // What a read returned is not what was asked, and data that are not known may be other ones.
            let is_write = request.operation == Operation::Write;
            let data = !is_write || (payload != Payload::Absent && failed.payload == payload);
            let after = row.time >= failed.released && row.time.since(failed.released) <= RETRY;
            same && data && after
        });
        if let Some(failed) = again {
            let span = row.time.since(failed.released);
            let detail = format!(
                "{} again {span} after {} got {}",
                words_of(&request),
                failed.id,
                failed.errno
            );
            let place = Place { event: row.event, time: row.time };
            found.extend(
                place.finding("retry", detail).of(id, device, request.range).with(failed.id),
            );
        }
        let Some(completion) = &row.completion else { return };
        if let Err(errno) = completion.result {
            let released = row.time.after(completion.latency).after(completion.hold);
            if self.failed.len() >= FINDINGS_ERRORS_MAX {
                let first = self.failed.pop_front();
                self.forgot |= first.is_some_and(|one| row.time.since(one.released) <= RETRY);
            }
            self.failed.push_back(Failed { id, device, request, payload, errno, released });
        }
    }
}

/// How often ranges were written in the epoch of their device.
#[derive(Debug)]
pub(super) struct Rewrites {
    limit: usize,
    epochs: HashMap<DeviceId, (u64, HashMap<ByteRange, u64>)>,
    count: usize,
    /// There were more ranges than can be kept in mind.
    pub(super) forgot: bool,
    /// Events are missing before: which epoch it is is not known.
    unsure: bool,
}

impl Default for Rewrites {
    fn default() -> Rewrites {
        Rewrites::holding(FINDINGS_RANGES_MAX)
    }
}

impl Rewrites {
    /// Keeps so many ranges in mind.
    pub(super) fn holding(limit: usize) -> Rewrites {
        Rewrites { limit, epochs: HashMap::new(), count: 0, forgot: false, unsure: false }
    }

    /// Events are missing here.
    pub(super) fn missing(&mut self) {
        *self = Rewrites { forgot: self.forgot, unsure: true, ..Rewrites::holding(self.limit) };
    }

    pub(super) fn row(&mut self, row: &Row, found: &mut Vec<Finding>) {
        let Row { id, device, request, epoch, .. } = *row;
        let (of, ranges) = self.epochs.entry(device).or_default();
        if *of != epoch {
            self.count -= ranges.len();
            ranges.clear();
            *of = epoch;
        }
        let writes = matches!(request.operation, Operation::Write | Operation::WriteZeroes);
        let done = row.completion.as_ref().is_some_and(|completion| completion.result.is_ok());
        if !writes || !done || request.range.length == 0 {
            return;
        }
        if !ranges.contains_key(&request.range) {
            if self.count >= self.limit {
                self.forgot = true;
                return;
            }
            self.count += 1;
        }
        let times = ranges.entry(request.range).or_default();
        *times += 1;
        // Said once of a range and epoch.
        if *times == TOO_OFTEN {
            let place = Place { event: row.event, time: row.time };
            let epoch = if self.unsure { String::new() } else { format!(", epoch {epoch}") };
            let detail = format!("{}{epoch}", words_of(&request));
            found.extend(place.finding("rewritten", detail).of(id, device, request.range));
        }
    }
}
