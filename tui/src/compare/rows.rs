//! Rows of a stretch where both sides are the same: a request of base, and the one of new that is the same.
//!
//! Two sides and a stretch in, rows in the order of base out. Invariants: no more than [`STEP`] rows are read at once, and no more
//! than so many of new are held that have no counterpart yet; no request is there that is in a difference.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use blkreplay_core::diff::{Compared, DiffError, Facts, Key, Part, Requests};

use super::Sides;

/// Rows that are read at once.
pub const STEP: usize = 1000;

/// Requests of new that wait for their counterpart.
const WAITING: usize = 1 << 16;

/// A part of a section that is to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// The number of the section.
    pub section: usize,
    /// Tells this time that it is unfolded from others.
    pub unfolding: u64,
    /// Where it lies in base and in new.
    pub parts: [Part; 2],
    /// So many that are the same lie before it, in its part of the traces.
    pub skip: u64,
    /// Rows of it at most.
    pub most: usize,
    /// Places of base and of new that are in differences, in order.
    pub differing: [Arc<Vec<u64>>; 2],
}

/// Two requests that are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paired {
    /// That of base.
    pub base: Compared,
    /// That of new; `None` if it is not near.
    pub new: Option<Compared>,
}

/// Reads rows of a stretch; whether they are the last.
pub(super) fn read(sides: &Sides<'_>, stretch: &Stretch) -> Result<(Vec<Paired>, bool), DiffError> {
    let [base_part, new_part] = &stretch.parts;
    let mut base =
        Same { requests: sides.base.requests(base_part)?, without: &stretch.differing[0] };
    let mut new = Waiting {
        same: Same { requests: sides.new.requests(new_part)?, without: &stretch.differing[1] },
        facts: sides.rule.facts,
        held: HashMap::new(),
        count: 0,
        is_read: false,
    };
    let mut rows = Vec::new();
    let mut place = 0;
    while let Some(one) = base.next()? {
        // Those before it take their counterparts, too.
        let other = new.like(&one)?;
        if place >= stretch.skip {
            if rows.len() == stretch.most {
                return Ok((rows, false));
            }
            rows.push(Paired { base: one, new: other });
        }
        place += 1;
    }
    Ok((rows, true))
}

/// Requests that are in no difference.
struct Same<'a> {
    requests: Box<dyn Requests + Send + 'a>,
    without: &'a [u64],
}

impl Same<'_> {
    fn next(&mut self) -> Result<Option<Compared>, DiffError> {
        loop {
            match self.requests.next_request()? {
                Some(one) if self.without.binary_search(&one.place).is_ok() => {}
                one => return Ok(one),
            }
        }
    }
}

/// Requests of new whose counterparts are still to come.
struct Waiting<'a> {
    same: Same<'a>,
    facts: Facts,
    held: HashMap<Key, VecDeque<Compared>>,
    count: usize,
    is_read: bool,
}

impl Waiting<'_> {
    /// The first that is like `one`, which is taken.
    fn like(&mut self, one: &Compared) -> Result<Option<Compared>, DiffError> {
        let key = one.key(self.facts);
        if let Some(held) = self.held.get_mut(&key)
            && let Some(found) = held.pop_front()
        {
            if held.is_empty() {
                self.held.remove(&key);
            }
            self.count -= 1;
            return Ok(Some(found));
        }
        while !self.is_read && self.count < WAITING {
            let Some(other) = self.same.next()? else {
                self.is_read = true;
                break;
            };
            let other_key = other.key(self.facts);
            if other_key == key {
                return Ok(Some(other));
            }
            self.held.entry(other_key).or_default().push_back(other);
            self.count += 1;
        }
        Ok(None)
    }
}
