//! How a replay goes about it, and what it did. Chosen and read by whoever runs it.
//!
//! Facts only. Invariant: what was not verified is never counted as verified.

use std::time::Duration;

use super::divergence::Divergence;
use super::schedule::Order;
use crate::format::Sketch;
use crate::limits::KEPT_BYTES_MAX;
use crate::request::Operation;
use crate::units::Nanos;

/// Who makes the requests of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Clients, live.
    Clients,
    /// A virtual machine monitor, live: beside its requests, its checkpoints and what it takes from the world are held
    /// against the log. There may be clients too.
    Monitor,
    /// The log itself, on images.
    Log,
}

/// When things happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Timing {
    /// As soon as order allows.
    Asap,
    /// As the recording's clock says, this many times as fast. 1 is the recorded time.
    Scaled(f64),
}

/// How a replay goes about it.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who makes the requests.
    pub source: Source,
    /// How much of the recorded order is kept. With clients: not [`Order::None`].
    pub order: Order,
    /// With clients, releases wait for their time; else requests do.
    pub timing: Timing,
    /// Without clients: requests with the images at once, at most.
    pub depth: usize,
    /// Without clients: threads that ask images, at least one. More than there are processors gain nothing.
    pub hands: usize,
    /// With clients: how many unmatched requests ahead an arrival may be.
    pub window: usize,
    /// With clients: data of early arrivals that are kept in memory, in bytes; more are spilled to a file.
    pub kept_bytes_max: u64,
    /// What is waited for for longer is missing, or trouble; at least five times as long as the recording waited.
    pub patience: Nanos,
    /// After a divergence the replay goes on.
    pub goes_on: bool,
    /// Reads are compared with the recorded ones.
    pub verify: bool,
}

impl Rules {
    /// The default for a `source`, with ten seconds of patience.
    pub fn of(source: Source) -> Rules {
        Rules {
            source,
            order: Order::Recorded,
            timing: Timing::Asap,
            depth: usize::MAX,
            hands: 1,
            window: Rules::WINDOW,
            kept_bytes_max: KEPT_BYTES_MAX,
            patience: Duration::from_secs(10).into(),
            goes_on: false,
            verify: true,
        }
    }

    /// How many unmatched requests ahead an arrival may be, unless it is said otherwise.
    pub const WINDOW: usize = 16_384;

    /// After so many divergences a replay that goes on stops all the same.
    pub const DIVERGENCES_MAX: usize = 1000;

    pub(super) fn is_live(&self) -> bool {
        self.source != Source::Log
    }

    pub(super) fn is_monitored(&self) -> bool {
        self.source == Source::Monitor
    }
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Requests replayed.
    pub requests: u64,
    /// Requests that had failed or been refused: they got their recorded error, and no image saw them.
    pub left_out: u64,
    /// Reads whose data were compared with the recorded ones and are the same.
    pub verified: u64,
    /// Reads whose data could not be compared, or were not to be.
    pub unverified: u64,
    /// Writes whose data the trace does not have, and that were made up.
    pub filled: u64,
    /// Requests that came and are not in the recording.
    pub extra: u64,
    /// Requests of the recording that did not come.
    pub missing: u64,
    /// Requests whose clients had gone, and that did not come: done from the trace, if they change anything.
    pub absent: u64,
    /// Requests that went ahead of ones that had been before them, none of which they conflict with.
    pub ahead: u64,
    /// Marks of the recording that were not made.
    pub marks_missing: u64,
    /// Marks that the recording does not have.
    pub marks_extra: u64,
    /// The replay ended where the trace is cut, or where it was to.
    pub cut: bool,
    /// How long it took.
    pub duration: Nanos,
    /// Latencies, from issue to release: recorded.
    pub recorded_latency: Latencies,
    /// Latencies, from issue to release: replayed.
    pub replayed_latency: Latencies,
    /// How late each request went out, with recorded times.
    pub slip: Sketch,
    /// The latest of them.
    pub slip_max: Nanos,
    /// Where it is not the recording, in order.
    pub divergences: Vec<Divergence>,
}

impl Replayed {
    /// The divergence at which a replay by these rules stopped; `None` if it came to the end.
    pub fn stopped_at(&self, rules: &Rules) -> Option<&Divergence> {
        let stops = !rules.goes_on || self.divergences.len() >= Rules::DIVERGENCES_MAX;
        self.divergences.last().filter(|_| stops)
    }
}

/// A sketch of latencies for each operation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latencies([Sketch; 7]);

impl Latencies {
    /// Of one operation.
    pub fn of(&self, operation: Operation) -> &Sketch {
        &self.0[operation as usize]
    }

    pub(super) fn add(&mut self, operation: Operation, latency: Nanos) {
        self.0[operation as usize].add(latency);
    }
}
