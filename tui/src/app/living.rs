//! A trace that changes while it is looked at: it grows, its recording ends, its file is cut, replaced or removed.
//!
//! What looks at the file found in, the list extended and things to say out. Invariant: who looks at the last request is taken along, and
//! nobody else is moved.

use std::time::Duration;

use super::App;
use crate::loader::Grown;
use crate::sieve::Pass;
use crate::state::filter::Stage;
use crate::state::live::{Counted, Recording};
use crate::words;

/// How long what a filter found stands at least before it goes on, and what it found of all requests together.
const GOES_ON: Duration = Duration::from_millis(100);
const ALL_ANEW: Duration = Duration::from_secs(3);

impl App {
    /// Begins to follow the trace, or follows it no more.
    pub(super) fn follow(&mut self) {
        if self.live.follows {
            self.live.follows = false;
            return self.say("what comes is not followed any more; F follows it again");
        }
        if self.live.is_changed {
            return self.refuse("the file is not what it was: ctrl-l opens it anew");
        }
        if self.live.recording == Recording::Ended {
            return self.say("the recording has ended: there is nothing to follow");
        }
        self.live.follows = true;
        self.requests.go_to(u64::MAX);
        self.say("what comes is shown as it comes; F ends that");
    }

    /// Somebody looked whether the trace grew.
    pub(super) fn grown(&mut self, grown: Grown) {
        let goes_along = self.live.follows && self.requests.is_at_last();
        if grown.is_new {
            self.requests.grow(grown.pages);
            self.forget_slow();
        }
        self.live.settled = grown.settled;
        self.live.grow(grown.is_new, grown.at, self.is_counting());
        self.live.keep(self.requests.time());
        self.dropped = self.dropped.max(grown.lost);
        if goes_along {
            self.requests.go_to(u64::MAX);
        }
    }

    /// Somebody looked whether the recording ended.
    pub(super) fn recorded(&mut self, recording: Recording, why: Option<String>) {
        self.live.recording = recording;
        match recording {
            Recording::Ended if self.live.follows => {
                self.live.follows = false;
                let requests = words::count(self.requests.len());
                self.say(format!("the recording ended: {requests} requests; nothing more comes"));
            }
            Recording::Left => self.banner = why,
            Recording::Ended | Recording::GoesOn => {}
        }
    }

    /// The file is not what it was.
    pub(super) fn changed(&mut self, text: String) {
        self.live.is_changed = true;
        self.live.follows = false;
        self.banner = Some(text);
    }

    /// Looks at what was looked at before the file was opened anew: the same view, filter and place.
    pub(crate) fn go_on_as(&mut self, before: &App) {
        self.beside.clone_from(&before.beside);
        self.look = before.look.clone();
        (self.place, self.message) = (None, None);
        self.show(before.view);
        // One that was dropped must not come back from where somebody left off the last time.
        if self.log.is_none() {
            self.filter(before.filtering.text());
        }
        self.filtering.off.clone_from(&before.filtering.off);
        self.requests.go(before.requests.focus());
        self.events.focus_on(before.events.focus());
    }

    /// Of what is counted now: the number of the filter, and what the trace has grown to.
    pub(crate) fn counted(&self) -> Counted {
        (self.filtering.number(), self.live.growth())
    }

    /// Whether a view counts.
    pub(crate) fn is_counting(&self) -> bool {
        self.findings.is_counting()
            || self.epochs.is_counting()
            || self.tallying.is_counting()
            || self.map.counting() != 0
            || self.queue.counting() != 0
    }

    /// What the filter has to look at now that was not looked at: all, or what is new.
    pub(crate) fn next_pass(&mut self) -> Option<Pass> {
        let of = (self.requests.len(), self.live.settled);
        let applied =
            self.filtering.applied.as_mut().filter(|applied| applied.stage != Stage::GoesOn)?;
        let (number, filter) = (applied.number, applied.filter.clone());
        if !applied.is_done {
            if applied.stage == Stage::Begun {
                return None;
            }
            (applied.of, applied.stage) = (of, Stage::Begun);
            let near = Some(self.requests.focus());
            return Some(Pass { number, filter, from: None, near, pause: Duration::ZERO });
        }
        if applied.error.is_some() || applied.of == of {
            return None;
        }
        let stands = if Pass::needs_all(&filter) { ALL_ANEW } else { GOES_ON };
        let pause = stands.max(applied.took * 2);
        let from = Some(applied.of.0.min(applied.of.1));
        (applied.of, applied.stage) = (of, Stage::GoesOn);
        Some(Pass { number, filter, from, near: None, pause })
    }

    /// What to say of a trace that may grow; `None` of one that is whole.
    pub fn growing(&self) -> Option<String> {
        let live = &self.live;
        if live.is_changed {
            return None;
        }
        Some(match (live.follows, live.recording) {
            (false, Recording::GoesOn) => {
                "this trace is still being recorded: F follows it".to_owned()
            }
            (true, _) if !self.requests.is_at_last() => "follow: paused, G goes on".to_owned(),
            (true, Recording::Left) => {
                "follow: nobody has the file that says so; F ends it".to_owned()
            }
            (true, _) => "follow: on, F ends it".to_owned(),
            (false, Recording::Ended | Recording::Left) => return None,
        })
    }
}
