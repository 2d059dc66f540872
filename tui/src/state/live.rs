//! A trace that is being recorded: whether it is followed, how far it is known, and when what was counted is to be counted anew.
//!
//! Looks at the file in, numbers out. Knows no clock of its own. Invariant: what was counted before the trace grew does not pass for
//! the whole.

use std::ops::Range;
use std::time::{Duration, Instant};

use blkreplay_core::units::Nanos;

/// Of what something was counted: the number of the filter, and what the trace had grown to.
pub type Counted = (u64, u64);

/// How long what was counted stands at least before it is counted anew.
const STANDS: Duration = Duration::from_secs(3);

/// What is known of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recording {
    /// It ended, or there is nothing known yet.
    #[default]
    Ended,
    /// Its recorder still has the file.
    GoesOn,
    /// It never said that it ended, and nobody has the file that says so.
    Left,
}

/// What is known of a trace that may grow.
#[derive(Debug, Default)]
pub struct Live {
    /// What is new is shown as it comes.
    pub follows: bool,
    /// What is known of the recording.
    pub recording: Recording,
    /// What is known of requests before this place will not change.
    pub settled: u64,
    /// The file is not what it was.
    pub is_changed: bool,
    /// Tells counts apart: what was counted under another number is to be counted anew.
    growth: u64,
    /// From the first request to the last event, when the number was given out.
    time: Option<Range<Nanos>>,
    /// How often something new came.
    news: u64,
    /// The same when the number was given out.
    counted: u64,
    /// When that was, and when somebody was last seen to count.
    given: Option<(Instant, Instant)>,
}

impl Live {
    /// Something new came, or nothing; somebody counts, or nobody does.
    pub fn grow(&mut self, is_new: bool, now: Instant, is_busy: bool) {
        self.news += u64::from(is_new);
        let (given, busy) = self.given.get_or_insert((now, now));
        if is_busy {
            *busy = now;
            return;
        }
        // Counting takes no more than half of the time.
        let stands = STANDS.max(busy.saturating_duration_since(*given));
        let is_old = now.saturating_duration_since(*busy) >= stands;
        if self.news != self.counted && (is_old || self.growth == 0 || !self.grows()) {
            self.growth += 1;
            self.counted = self.news;
            self.given = Some((now, now));
        }
    }

    /// Something that counts may differ in.
    pub fn note(&mut self) {
        self.news += 1;
    }

    /// Takes the times that there are now, unless what was counted still stands.
    pub fn keep(&mut self, time: Option<Range<Nanos>>) {
        if self.time.is_none() || self.news == self.counted {
            self.time = time;
        }
    }

    /// From the first request to the last event, as far as what is shown of all of it goes.
    pub fn time(&self) -> Option<&Range<Nanos>> {
        self.time.as_ref()
    }

    /// What tells counts of now from those of before.
    pub fn growth(&self) -> u64 {
        self.growth
    }

    /// Whether what was counted under a number is of all that will be there.
    pub fn is_final(&self, growth: u64) -> bool {
        !self.grows() && growth == self.growth && self.news == self.counted
    }

    /// Whether more requests may come.
    pub fn grows(&self) -> bool {
        !self.is_changed && (self.follows || self.recording == Recording::GoesOn)
    }

    /// Whether somebody should go on to look at the file.
    pub fn is_looked_at(&self) -> bool {
        !self.is_changed && (self.follows || self.news != self.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_wanted_anew_now_and_then_and_once_more_at_the_end() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut live = Live { follows: true, ..Live::default() };
        live.grow(false, at(0), false);
        assert_eq!(live.growth(), 0, "nothing came");
        live.grow(true, at(200), false);
        assert_eq!(live.growth(), 1, "the first that comes is counted at once");
        live.grow(true, at(400), false);
        assert_eq!(live.growth(), 1, "it is too early");
        live.grow(true, at(3300), false);
        assert_eq!(live.growth(), 2);
        assert!(!live.is_final(2), "more may come");
        // That count takes long, and the next begins as long after it.
        for ms in (3400..=13_300).step_by(100) {
            live.grow(true, at(ms), true);
        }
        live.grow(true, at(17_000), false);
        assert_eq!(live.growth(), 2);
        live.grow(true, at(23_400), false);
        assert_eq!(live.growth(), 3);
        live.follows = false;
        live.grow(true, at(23_500), false);
        assert_eq!(live.growth(), 4, "it ended, and all is there");
        assert!(live.is_final(4) && !live.is_final(3) && !live.is_looked_at());
    }
}
