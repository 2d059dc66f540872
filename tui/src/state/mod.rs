//! The parts of the state, each beside the view that shows it. Knows no terminal.

pub mod cell;
pub mod cursor;
pub mod diff;
pub mod epochs;
pub mod filter;
pub mod findings;
pub mod grid;
pub mod help;
pub mod live;
pub mod map;
pub mod marks;
pub mod outline;
pub mod panes;
pub mod prompt;
pub mod queue;
pub mod requests;
pub mod scout;
pub mod series;
pub mod slices;
pub mod sums;
pub mod tallying;
pub mod target;
pub mod window;
pub mod writing;
