//! Looks for what a filter means, on a thread of its own, for as long as anybody wants it.
//!
//! A filter in, places of requests out. Invariant: once it is not wanted any more it ends with what it tells next, within `GATHER` and a step.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Read, Seek};
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::format::Reader;
use blkreplay_core::query::Filter;
use blkreplay_core::view::{Hits, Page};

/// How long places are gathered before they are handed over; the first few are not.
const GATHER: Duration = Duration::from_millis(40);

/// How long it is looked around the focus before all is looked at from the beginning, and for how many.
const NEAR: Duration = Duration::from_millis(50);
const NEAR_HITS: usize = 256;

/// What is known so far.
#[derive(Debug)]
pub struct Sifted {
    /// The number of the filter.
    pub number: u64,
    /// Places that were not told before.
    pub found: Vec<u64>,
    /// Places from here to `done` were looked at again: of them only those count that are found now. `None` if none was.
    pub again: Option<u64>,
    /// Places that were told before, near the focus, and that are not meant after all: only what is found from the beginning on counts.
    pub wrong: Vec<u64>,
    /// Requests that were looked at.
    pub done: u64,
    /// They are added up first.
    pub is_first_pass: bool,
    /// There is no more to come.
    pub is_done: bool,
    /// Why there is no more.
    pub error: Option<String>,
    /// How long it took so far.
    pub took: Duration,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Pass {
    /// The number of the filter.
    pub number: u64,
    /// The filter.
    pub filter: Filter,
    /// The trace grew, and of requests before this place it is known whether they are meant; `None` if nothing is.
    pub from: Option<u64>,
    /// Where somebody looks: hits from here on are told first.
    pub near: Option<u64>,
    /// How long to wait first.
    pub pause: Duration,
}

impl Pass {
    /// Whether what a filter says of a request depends on others, so that what is new may change what was found.
    pub fn needs_all(filter: &Filter) -> bool {
        Hits::<std::io::Empty>::needs_all(filter)
    }
}

impl Sifted {
    /// Some that were found near the focus. What lies before and behind is not known, so none counts as looked at.
    fn near(number: u64, found: Vec<u64>, took: Duration) -> Sifted {
        let (again, wrong, done, error) = (None, Vec::new(), 0, None);
        let (is_first_pass, is_done) = (false, false);
        Sifted { number, found, again, wrong, done, is_first_pass, is_done, error, took }
    }
}

/// Begins. `tell` says whether anybody still wants to know.
pub fn start<R: Read + Seek + Send + 'static>(
    pass: Pass,
    pages: Vec<Page>,
    open: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Clone + Send + 'static,
    tell: impl Fn(Sifted) -> bool + Send + 'static,
) {
    thread::spawn(move || {
        let Pass { number, filter, from, near, pause } = pass;
        thread::sleep(pause);
        let began = Instant::now();
        let near = near.filter(|_| from.is_none() && !Pass::needs_all(&filter));
        let near = near.map(|near| near_hits(near, &filter, &pages, open.clone()));
        let near = near.unwrap_or_default();
        if !near.is_empty() && !tell(Sifted::near(number, near.clone(), began.elapsed())) {
            return;
        }
        let mut unconfirmed: BTreeSet<u64> = near.into_iter().collect();
        let hits = Hits::new(filter, pages, open);
        let mut hits = if let Some(from) = from { hits.from(from) } else { hits };
        let mut decided = hits.done();
        let mut found = Vec::new();
        let mut told_at: Option<Instant> = None;
        loop {
            let error = match hits.next_found() {
                Ok(Some(places)) => {
                    found.extend_from_slice(places);
                    let is_first = told_at.is_none() && !found.is_empty();
                    if is_first || told_at.is_some_and(|at| at.elapsed() >= GATHER) {
                        None
                    } else {
                        told_at.get_or_insert_with(Instant::now);
                        continue;
                    }
                }
                Ok(None) => Some(None),
                Err(error) => Some(Some(error.to_string())),
            };
            let (done, is_first_pass) = (hits.done(), hits.is_first_pass());
            let (is_done, error) = (error.is_some(), error.flatten());
            let found = std::mem::take(&mut found);
            for place in &found {
                unconfirmed.remove(place);
            }
            let wrong = if is_done { unconfirmed.iter().copied().collect() } else { Vec::new() };
            let again = from.filter(|_| !is_first_pass).map(|_| decided.min(done));
            let took = began.elapsed();
            let wanted = tell(Sifted {
                number,
                found,
                again,
                wrong,
                done,
                is_first_pass,
                is_done,
                error,
                took,
            });
            decided = if is_first_pass { 0 } else { done };
            if !wanted || is_done {
                return;
            }
            told_at = Some(Instant::now());
        }
    });
}

/// Some hits from the page of a place on, if that is not the first: as many as are found soon. What cannot be read here is told by who
/// looks at all.
fn near_hits<R: Read + Seek>(
    place: u64,
    filter: &Filter,
    pages: &[Page],
    open: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
) -> Vec<u64> {
    let mut found = Vec::new();
    if pages.get(1).is_none_or(|second| place < second.place) {
        return found;
    }
    let began = Instant::now();
    let mut hits = Hits::new(filter.clone(), pages.to_vec(), open).from(place);
    while found.len() < NEAR_HITS
        && let Ok(Some(places)) = hits.next_found()
    {
        found.extend_from_slice(places);
        if began.elapsed() >= NEAR {
            break;
        }
    }
    found
}
