//! Who watches a check: faults and whole events go in, as they come.
//!
//! Decides nothing. Invariant: events come in the order of the file, each with its index; where an index is not the next one,
//! events are missing.

use std::ops::ControlFlow;

use super::fault::Finding;
use crate::event::Event;
use crate::format::header::Header;

/// Who is told what happens on the way. The first two may end it.
pub trait Inspector {
    /// Something was found.
    fn finding(&mut self, finding: Finding) -> ControlFlow<()>;
    /// So many bytes of the file were walked.
    fn walked(&mut self, bytes: u64, of: u64) -> ControlFlow<()>;
    /// What the trace says of itself, before its first event; not told where it is not whole.
    fn header(&mut self, _: &Header) {}
    /// A whole event with its index.
    fn event(&mut self, _: u64, _: &Event) {}
    /// An event of a kind that is not known and may be passed over, which has this index.
    fn passed_over(&mut self, _: u64) {}
}
