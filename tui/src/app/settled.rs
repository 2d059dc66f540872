//! Whether all is read and counted that what is shown stands on. Nothing comes in; yes or no goes out.
//!
//! Invariant: once it is, nothing changes until somebody wants something, or a trace grows.

use super::App;
use crate::state::diff::Diff;
use crate::state::filter::Stage;
use crate::state::log::Log;

impl App {
    /// Nothing is read or counted any more.
    pub fn is_settled(&self) -> bool {
        let sifts = self.filtering.applied.as_ref();
        let sifts = sifts.is_some_and(|applied| !applied.is_done || applied.stage == Stage::GoesOn);
        let reads = match &self.log {
            Some(log) => Log::goes_on(log),
            None => !self.outline.is_done(),
        };
        let works = sifts
            || reads
            || self.is_counting()
            || self.diff.as_ref().is_some_and(Diff::is_busy)
            || self.on_the_way().is_some()
            || self.slow.sought.is_some()
            || self.emptied.scout.wanted().is_some()
            || self.writing.order().is_some()
            || self.copying.goes_on()
            || self.frequencies.goes_on()
            || self.sorting.order().is_some()
            || !self.event_wishes().is_empty();
        self.requests.is_known() && self.wishes().is_empty() && !works
    }
}
