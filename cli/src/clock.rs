//! The clock of a recording or a replay. The system's clocks come in, [`Nanos`] since the start go out.
//!
//! Core has no clock of its own; this is the one that is passed to it. Invariant: it never goes backwards.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use blkreplay_core::units::{Clock, Nanos};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Time since it was made, on the system's monotonic clock.
#[derive(Debug)]
pub(crate) struct MonotonicClock {
    start: Instant,
    wall_clock: SystemTime,
}

impl MonotonicClock {
    /// A clock that begins now.
    pub(crate) fn start() -> MonotonicClock {
        MonotonicClock { start: Instant::now(), wall_clock: SystemTime::now() }
    }

    /// The wall clock at time 0, in nanoseconds since 1970-01-01 UTC; 0 on a machine that is older.
    pub(crate) fn wall_clock_ns(&self) -> u64 {
        let since_1970 = self.wall_clock.duration_since(UNIX_EPOCH).unwrap_or_default();
        Nanos::from(since_1970).0
    }
}

/// The day it is, in UTC.
pub(crate) fn today() -> Date {
    TimeZone::UTC.to_datetime(Timestamp::now()).date()
}

impl Clock for MonotonicClock {
    fn now(&self) -> Nanos {
        self.start.elapsed().into()
    }
}
