//! blkreplay: record what any client does to a block device, look at it, and make it happen again.
//!
//! ```text
//! bytes ──format──▶ frames ──codec──▶ events ──engine──▶ matches, divergences ──rows──▶ cli
//!                                        ▲──── device, nbd (they make events while recording)
//! ```
//!
//! Layers, lowest first; each may use only those before it:
//! `units < limits < request < event < format < device < engine < rows < position < query < view < edit < diff`. `nbd` and
//! `qemu` are adapters on top that no layer names, and `open` and `words` are over all. `ARCHITECTURE.md` has the map.

pub mod device;
pub mod diff;
pub mod edit;
pub mod engine;
pub mod event;
pub mod format;
pub mod limits;
pub mod nbd;
pub mod open;
pub mod position;
pub mod qemu;
pub mod query;
pub mod request;
pub mod rows;
pub mod units;
pub mod view;
pub mod words;
