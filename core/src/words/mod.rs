//! Events in words, as `print` and the inspector tell them, what `diff` and the inspector say of a comparison, and what
//! `stats` and the inspector say of sizes. Events and sums come in, text goes out.
//!
//! Here and not where it is printed, so that a line is the same wherever it is shown. Knows no columns but those of a line.
//! Invariant: whatever an event carries, its line is one line, and no byte of it steers a terminal.

mod comparison;
mod devices;
mod event;
mod frame;
mod guest;
mod sizes;

pub use comparison::gave_up;
pub use devices::{Devices, printable};
pub use event::{line, line_of, log_event_words, log_line, log_line_of, log_words, seconds, words};
pub use sizes::{exact_size, sizes};
