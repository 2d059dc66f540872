//! The inspector: a trace on a terminal.
//!
//! ```text
//! key ──keymap──▶ action ──App::update──▶ state ──view──▶ screen
//!                               ▲    └── effect: quit, copy, stop
//!                   what was read┘    ├── wishes ──▶ loader, a thread that reads the trace
//!                                     ├── filter ──▶ sieve, a thread that looks for what it means
//!                                     └── order ───▶ chart, a thread that counts what cells of the map hold
//!                                     ├── file ────▶ writer, a thread that writes what is shown
//!                                     ├── findings ▶ expert, a thread that looks for what is worth a look
//!                                     ├── copy ────▶ hander, a thread that hands a text to a program
//!                                     ├── events ──▶ events, a thread that reads events and checkpoints, of a QEMU log too
//!                                     ├── epochs ──▶ epochs, a thread that sums them up
//!                                     ├── diff ────▶ compare, threads that compare with a base
//!                                     └── window ──▶ flight, a thread that counts what was in flight when
//! ```
//!
//! `app`, `state`, `keymap`, the threads, and `desk`, which holds them together, know no terminal; `view` draws what the state says and changes nothing but what follows from
//! the size of the screen; `terminal` gives the terminal back whatever happens.

pub mod action;
pub mod app;
pub mod around;
pub mod chart;
mod chunks;
pub mod compare;
mod desk;
mod desks;
mod differ;
pub mod epochs;
pub mod events;
pub mod expert;
pub mod flight;
pub mod frequencies;
pub mod hander;
pub mod journal;
mod kept;
pub mod key;
pub mod keymap;
pub mod known;
pub mod loader;
pub mod look;
pub mod mouse;
pub mod notebook;
mod opened;
pub mod outlet;
pub mod outline;
pub mod places;
mod plain;
mod reproduced;
mod run;
pub mod search;
pub mod settings;
pub mod sieve;
pub mod sorter;
pub mod state;
pub mod tally;
mod terminal;
pub mod view;
mod watch;
mod words;
pub mod writer;

pub use compare::{Comparison, Sides, Stoppable, Terms, Trouble};
pub use events::log::{Bounds, IndexFile, Log, OpenLog};
pub use opened::{Again, Begin, Opened, Outlets, Trace};
pub use outlet::Outlet;
pub use plain::{Partner, converse};
pub use run::run;

#[cfg(test)]
mod tests;
