//! Findings: going from one to the next, to their requests, and to a filter that shows them.
//!
//! Actions and what was looked for in, the focus and the filter changed. Invariant: the focus is at the request of the finding that was
//! gone to.

use super::App;
use crate::action::{Direction, Like, Move, View};
use crate::expert::{Found, Looked};
use crate::state::findings::{self, Line};
use crate::words;

impl App {
    /// Something was looked for.
    pub fn looked(&mut self, looked: Looked) {
        if self.findings.take(looked) {
            let before = self.station();
            self.seek_finding();
            self.left(before);
        }
    }

    /// Looks for findings anew if the trace grew and they are looked at.
    pub fn want_findings(&mut self) {
        let findings = &mut self.findings;
        let is_stale = findings.number > 0 && findings.growth != self.live.growth();
        let is_wanted = self.view == View::Findings || findings.sought.is_some();
        if is_stale && is_wanted && findings.error.is_none() && !findings.is_counting() {
            findings.begin_again(self.live.growth());
        }
    }

    /// Goes to the next finding, or the one before, once it is known.
    pub(super) fn find_finding(&mut self, direction: Direction) {
        self.findings.begin(self.live.growth());
        self.findings.sought = Some(direction);
        self.seek_finding();
    }

    fn seek_finding(&mut self) {
        let Some(direction) = self.findings.sought else { return };
        let focus = self.requests.focus();
        let is_known = match direction {
            // One that is found later may lie nearer: slow ones are known last.
            Direction::Next => true,
            Direction::Previous => self.findings.knows_before(focus),
        };
        let shown = self.filtering.applied.as_ref().map(|applied| &*applied.found);
        let found = self.findings.beside(focus, direction, shown).filter(|_| is_known).cloned();
        match found {
            Some(found) => {
                self.findings.sought = None;
                self.go_to_finding(&found);
                let more = self.findings.of(found.place).count().saturating_sub(1);
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                let approximate = if self.findings.goes_on() { "~ " } else { "" };
                let sign = words::sign(found.finding.rule.level);
                let text = format!("{sign} {} {}{more}", found.finding.rule.code, found.finding);
                self.say(format!("{approximate}{text}"));
            }
            None if !self.findings.goes_on() => {
                self.findings.sought = None;
                let which = match direction {
                    Direction::Next => "behind",
                    Direction::Previous => "before",
                };
                let so_far = self.so_far();
                match self.findings.error.clone() {
                    Some(error) => self.refuse(format!("findings: {error}")),
                    None => self.say(format!("there is no finding {which} this request{so_far}")),
                }
            }
            None => {}
        }
    }

    fn go_to_finding(&mut self, found: &Found) {
        self.requests.go(found.place);
        self.findings.pick(Some(Line::Finding(found.number)), self.requests.focus());
    }

    /// Goes to another line of the findings.
    pub(super) fn move_finding(&mut self, way: Move) {
        let shown = self.filtering.applied.as_ref().map(|applied| &*applied.found);
        let listed = self.findings.listed(shown);
        let at = self.findings.at(&listed, self.requests.focus());
        let to = self.findings.to(at, way, &listed);
        let (line, place) = (listed.line(to), listed.found.get(to).map(|found| found.place));
        if let Some(place) = place {
            self.requests.go(place);
        }
        self.findings.pick(line, self.requests.focus());
    }

    /// What is looked at in the list of findings.
    fn picked(&self) -> Option<&Found> {
        let shown = self.filtering.applied.as_ref().map(|applied| &*applied.found);
        let listed = self.findings.listed(shown);
        let at = self.findings.at(&listed, self.requests.focus());
        listed.found.get(at).copied()
    }

    /// Shows the request of the finding.
    pub(super) fn open_finding(&mut self) {
        match self.picked().cloned() {
            Some(found) => {
                self.go_to_finding(&found);
                self.view = View::Requests;
            }
            None => self.say("this is about no request"),
        }
    }

    /// Shows only the requests of the finding, or leaves the one out that it is about.
    pub(super) fn filter_by_finding(&mut self, like: Like) {
        let term = self.picked().and_then(|found| findings::term(&found.finding, like));
        match term {
            Some(term) => self.filter(&self.filtering.with(&term)),
            None => self.say("this is about no request"),
        }
    }
}
