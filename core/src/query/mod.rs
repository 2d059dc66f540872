//! The filter language: which requests are meant. Text in, a filter that says yes or no to a row out.
//!
//! ```text
//! text ──lex──▶ tokens ──parse──▶ tree ──check, with the fields──▶ filter ──row──▶ yes or no
//!                                  └ Display: text again
//! ```
//!
//! One language, wherever requests are chosen. A comparison with what a request does not have is false, whichever way it
//! goes, and `!` of it is true. Invariant: what is not understood is an error with its place, never a filter that is
//! something else.

mod check;
mod error;
mod field;
mod filter;
mod lex;
mod parse;
#[cfg(test)]
mod tests;
mod tree;

pub use error::QueryError;
pub use field::{FIELDS, Field, Kind, Value};
pub use filter::Filter;
