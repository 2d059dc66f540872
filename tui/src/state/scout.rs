//! A filter whose requests are looked for beside the one in force: to go to the first of them, or from one to the next.
//!
//! What the sieve tells in, places out. Invariant: what was told of another filter changes nothing.

use blkreplay_core::query::Filter;
use roaring::RoaringTreemap;

use crate::sieve::Sifted;

/// What is looked for.
#[derive(Debug, Default)]
pub struct Scout {
    /// Tells it from others; 0 before the first.
    pub number: u64,
    /// What is meant.
    filter: Option<Filter>,
    /// The places that were found.
    pub found: RoaringTreemap,
    /// Requests that were looked at.
    pub done: u64,
    /// They are added up first, for what the filter asks of all.
    pub is_first_pass: bool,
    /// There is no more to come.
    pub is_done: bool,
    /// Why there is no more.
    pub error: Option<String>,
}

impl Scout {
    /// Begins to look.
    pub fn begin(&mut self, filter: Filter) {
        let number = self.number + 1;
        *self = Scout { number, filter: Some(filter), ..Scout::default() };
    }

    /// What is to be looked for, if anything is.
    pub fn wanted(&self) -> Option<&Filter> {
        self.filter.as_ref().filter(|_| !self.is_done)
    }

    /// Whether it looks for something, or did.
    pub fn has_begun(&self) -> bool {
        self.filter.is_some()
    }

    /// Whether it is known of all requests before a place whether they are meant.
    pub fn is_past(&self, place: u64) -> bool {
        self.is_done || (!self.is_first_pass && self.done >= place)
    }

    /// Looks no further and forgets; whether there was more to look at.
    pub fn stop(&mut self) -> bool {
        let goes_on = self.wanted().is_some();
        let number = self.number + 1;
        *self = Scout { number, is_done: true, ..Scout::default() };
        goes_on
    }

    /// Takes what was found; whether it is of this filter.
    pub fn take(&mut self, sifted: Sifted) -> bool {
        if sifted.number != self.number {
            return false;
        }
        self.found.extend(sifted.found);
        (self.done, self.is_first_pass) = (sifted.done, sifted.is_first_pass);
        (self.is_done, self.error) = (sifted.is_done, sifted.error);
        true
    }
}
