//! The logs that QEMU's record/replay writes: read in every layout there ever was, and written in each.
//!
//! ```text
//! bytes ──Survey (which layout fits, what is in it)──▶ LogReader ──decode──▶ LogEvent (Event, byte, instructions)
//!         layout, codes: which number means what          bytes ◀──Encoder──┘
//! ```
//!
//! A log holds what a virtual machine took from outside and where in its run; of a disk only the order in which
//! requests were completed, by their numbers. It has no times, no lengths, no checksums, and its version does not
//! say which number means what. Source: QEMU, `replay/*.c` and `replay/replay-internal.h`. Invariant: what does not
//! decode is told with its byte, its event and the number of instructions before it, and nothing behind it is guessed.

mod check;
mod codes;
mod decode;
mod encode;
mod ending;
mod header;
mod kind;
mod layout;
mod names;
mod reader;
mod recover;
mod scan;
mod stop;
mod survey;
#[cfg(test)]
mod tests;

pub use check::{LogChecked, LogFault, LogFinding, LogInspector, LogPlace, check};
pub use decode::Fault;
pub use encode::{EncodeError, Encoder, HEADER_BYTES};
pub use ending::Kept;
pub use header::{LogError, LogHeader, START_BYTES, is_log};
pub use kind::LogKind;
pub use layout::{LAYOUTS, Layout};
pub use names::{axis_name, button_name, key_name, touch_name};
pub use reader::{LogEvent, LogReader};
pub use recover::{LogRecovery, RecoverLogError, recover};
pub use scan::{Blocks, Completed, Tally};
pub use stop::{Stop, Why};
pub use survey::{Choice, Survey, choose, survey};
