//! The engine in a simulated world: clients, ports and devices on one thread, with time and chance from a seed.
//!
//! ```text
//! script ─▶ client ─▶ port ─▶ engine ─▶ fault ─▶ sim ─▶ memory
//!    │        ▲                  │ └──▶ trace
//!    │        └ history          │        │     everything that happens next: world, by dice
//!    │                           │        ▼
//!    └─▶ changes ─▶ client ─▶ port ─▶ engine ─▶ fault ─▶ sim ─▶ memory
//!                     ▲             │  ▲ └──▶ trace of the replay
//!                     └ history     │  └ turning: the player, by hand
//! ```
//!
//! A recording is replayed with other dice: with its client, a changed one, or on images alone. What must hold is seen at
//! the client (`history`) and at the memory, by oracles that know neither engine nor trace: `oracle` for recordings,
//! `claims` for replays, `diverging` and `images` for what must be reported. When nothing moves any more, the engine
//! must have named what it waits for, and end it. A test that fails names its seed.

/// Changes to what a client does.
mod changes;
/// R1 and R2: a replay, held against its recording.
mod claims;
/// A simulated client, and what it saw.
mod client;
/// A simulated device.
mod device;
/// R5: changes that must be seen.
mod diverging;
/// How devices go wrong.
mod faults;
/// Replays on images that are not what they were.
mod images;
/// What images hold if requests are done one by one.
mod oracle;
/// A trace, held against what the client saw.
mod recorded;
/// R3 and R4 of recordings.
mod recording;
/// How a recording is replayed.
mod replaying;
/// R1 to R4 and R6 of replays.
mod replays;
/// What a client is going to do.
mod script;
/// Runs a check for many seeds, and names the one that fails.
mod seeds;
/// The steps of two traces, held against each other.
mod steps;
/// What can happen next, and how likely each is.
mod tempo;
/// The cases that trapped the design.
mod traps;
/// The player of a replay, turned by hand.
mod turning;
/// Who does what next.
mod world;
