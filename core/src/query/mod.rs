//! The filter language: which requests are meant. Text in, a filter that says yes or no to a row out.
//!
//! ```text
//! text ──lex──▶ tokens ──parse──▶ tree ──check, with the fields──▶ filter ──row──▶ yes or no
//!                                  └ Display: text again             └ first pass: totals, times of marks
//! ```
//!
//! `metric` is a number of the language that all requests give together, and what it is held against. `columns` asks it of a trace's columns, where they have all that it asks for.
//! `field` and `function` are the tables that the checker, the help and the book are made from.
//!
//! One language, wherever requests are chosen. A comparison with what a request does not have is false, whichever way it
//! goes, and `!` of it is true. Invariant: what is not understood is an error with its place, never a filter that is
//! something else.

mod asked;
mod atom;
mod check;
mod columns;
mod content;
mod contents;
mod error;
mod field;
mod filter;
mod function;
mod holds;
mod lex;
mod literal;
#[cfg(test)]
mod meaning;
mod metric;
mod names;
mod numbers;
mod parse;
mod quantity;
mod reference;
#[cfg(test)]
mod tests;
mod totals;
mod tree;
mod uses;

pub use asked::{Asked, Fetch};
pub use columns::{ColumnFilter, Found, Search, SearchError};
pub use error::QueryError;
pub use field::{FIELDS, Field, Kind, Value};
pub use filter::{Filter, Needs};
pub use function::{FUNCTIONS, Function};
pub use metric::{Bound, Metric, Way, budget};
pub use reference::{fields_table, functions_tables};
pub use totals::Totals;

/// The number of bytes that a text says, with units as in a filter: `512`, `0x42c`, `4k`, `1MB`. `None` if it is something else.
pub fn size(text: &str) -> Option<u64> {
    let tokens = lex::lex(text).ok()?;
    let [(lex::Token::Number(number), _)] = &tokens[..] else { return None };
    u64::try_from(*number).ok()
}

/// A filter, written again with all that may be left out: parentheses, unit names, signs. It means the same.
pub fn rewritten(text: &str) -> Result<String, QueryError> {
    parse::parse(text).map(|node| node.to_string())
}
