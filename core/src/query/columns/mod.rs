//! Filters over columns: which requests of a trace are meant, found without making rows. A settled filter and a reader in, ids
//! or rows out.
//!
//! ```text
//! filter ──compile──▶ tests of columns ──mask, with a chunk──▶ a byte a request ──search──▶ ids ──pick──▶ rows
//! ```
//!
//! `found` is all of it: the rows that a filter means, without making the others. `skip` says which chunks need not be looked
//! at, `blame` which term is to blame where nothing is meant.
//!
//! What columns do not have (digests, epochs, what stands around a request) is not asked here. Invariant: what is found is what
//! [`Filter::matches`] takes of the trace's rows. Only an error with the number 0, which no recorder writes, counts as none.

mod blame;
mod compile;
mod found;
mod mask;
mod pick;
mod ranges;
mod search;
mod skip;
#[cfg(test)]
mod tests;

pub use found::Found;
pub use search::{Search, SearchError};

use super::Filter;
use super::filter::Needs;
use crate::format::Fields;
use compile::{Compiler, Node};

/// A filter that is asked of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFilter {
    node: Node,
    /// What must hold, term by term.
    terms: Vec<Node>,
    fields: Fields,
    asks_completions: bool,
}

impl ColumnFilter {
    /// The same as `filter`; `None` if it asks for what columns do not say, or is not settled.
    pub fn of(filter: &Filter) -> Option<ColumnFilter> {
        if filter.needs() != Needs::default() {
            return None;
        }
        let mut compiler = Compiler { exact: true };
        let terms: Vec<_> =
            filter.terms.iter().map(|(test, _)| compiler.test(test, true)).collect();
        let node = compile::every(terms.iter().cloned());
        // Which term is to blame is asked of all of them.
        let all = Node::And(terms.clone());
        compiler.exact.then(|| ColumnFilter {
            fields: compile::fields(&all),
            asks_completions: compile::asks_completions(&all),
            node,
            terms,
        })
    }
}
