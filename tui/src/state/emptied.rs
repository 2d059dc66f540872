//! Which term of a filter that leaves no request leaves the first of none: halves of its terms are tried, one after the other.
//!
//! Terms in, filters of the first of them out; what those found in, the term and how many the ones before it leave out. Invariant: of so
//! many terms no more are tried than their number can be halved.

use blkreplay_core::format::Header;
use blkreplay_core::query::Filter;

use super::live::Counted;
use super::scout::Scout;
use crate::sieve::Sifted;

/// The search for the term.
#[derive(Debug, Default)]
pub struct Emptied {
    /// Of which filter, and what the trace had grown to.
    of: Option<Counted>,
    terms: Vec<String>,
    /// So many of the first terms leave some requests, and how many those are.
    some: (usize, u64),
    /// So many leave none.
    none: usize,
    /// Who looks what some of them leave.
    pub scout: Scout,
    is_stopped: bool,
}

/// The term, and what those before it leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emptying {
    /// It.
    pub term: String,
    /// Those before it, as they were written; empty if it is the first.
    pub before: String,
    /// How many requests those leave.
    pub left: u64,
}

impl Emptied {
    /// Begins with the terms of a filter that leaves none of so many requests, if that was not done.
    pub fn begin(&mut self, of: Counted, filter: &Filter, requests: u64) {
        if self.of == Some(of) {
            return;
        }
        self.stop();
        self.of = Some(of);
        self.is_stopped = false;
        self.terms = filter.terms().map(str::to_owned).collect();
        (self.some, self.none) = ((0, requests), self.terms.len());
    }

    /// Looks what some of the terms leave, if it is not known which leave none.
    pub fn go_on(&mut self, header: &Header) {
        if self.is_stopped || self.scout.wanted().is_some() || self.none <= self.some.0 + 1 {
            return;
        }
        match Filter::of(&self.text(self.middle()), header) {
            Ok(filter) => self.scout.begin(filter),
            // They were understood together.
            Err(_) => self.is_stopped = true,
        }
    }

    /// Takes what some of the terms leave.
    pub fn take(&mut self, sifted: Sifted) {
        if !self.scout.take(sifted) || !self.scout.is_done {
            return;
        }
        let (middle, left) = (self.middle(), self.scout.found.len());
        if self.scout.error.is_some() {
            self.is_stopped = true;
        } else if left > 0 {
            self.some = (middle, left);
        } else {
            self.none = middle;
        }
    }

    /// Looks no further; whether there was more to look at.
    pub fn stop(&mut self) -> bool {
        self.is_stopped = true;
        self.scout.stop()
    }

    /// Forgets it: the filter is another, or leaves some.
    pub fn forget(&mut self) {
        if self.of.take().is_some() {
            self.stop();
        }
    }

    /// The term, once it is known.
    pub fn known(&self) -> Option<Emptying> {
        self.of.filter(|_| self.none == self.some.0 + 1)?;
        let (before, left) = self.some;
        let term = self.terms.get(before)?.clone();
        Some(Emptying { term, before: self.text(before), left })
    }

    fn middle(&self) -> usize {
        usize::midpoint(self.some.0, self.none)
    }

    /// So many of the first terms, as they were written.
    fn text(&self, terms: usize) -> String {
        self.terms[..terms].join(" && ")
    }
}
