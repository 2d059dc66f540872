//! Why a filter leaves no request: which of its terms leaves none of those that the ones before it leave. The state in, words out.

use super::App;
use crate::action::View;
use crate::sieve::Sifted;
use crate::words;

impl App {
    /// Begins to look for the term, or goes on, where the list is shown and the filter has left none of it.
    pub(crate) fn want_emptied(&mut self) {
        let of = self.counted();
        let requests = self.requests.len();
        let is_wanted = self.is_shown(View::Requests) && requests > 0;
        let applied = self.filtering.applied.as_ref().filter(|applied| {
            is_wanted && applied.is_done && applied.error.is_none() && applied.found.is_empty()
        });
        let Some(applied) = applied else { return self.emptied.forget() };
        self.emptied.begin(of, &applied.filter, requests);
        self.emptied.go_on(&self.header);
    }

    /// Something was found that some of the terms leave.
    pub(crate) fn emptied(&mut self, sifted: Sifted) {
        self.emptied.take(sifted);
    }

    /// Which term leaves none, or how far the search for it is.
    pub fn why_empty(&self) -> Option<String> {
        if self.emptied.scout.wanted().is_some() {
            let percent = words::progress(self.emptied.scout.done, self.requests.len());
            return Some(format!(
                "~ the filter leaves out all; looking for the term that does, {percent} %: esc stops"
            ));
        }
        let known = self.emptied.known()?;
        let about = if self.live.grows() { "~" } else { "" };
        let left = words::count(known.left);
        let term = known.term;
        Some(if known.before.is_empty() {
            format!("no request: `{term}` leaves none of all {about}{left}")
        } else {
            format!(
                "no request: `{term}` leaves none of the {about}{left} that `{}` leaves",
                known.before
            )
        })
    }
}
