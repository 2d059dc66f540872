//! The engine in a simulated world: clients, ports and devices on one thread, with time and chance from a seed.
//!
//! ```text
//! script ─▶ client ─▶ port ─▶ engine ─▶ fault ─▶ sim ─▶ memory
//!             ▲                  └──▶ trace
//!             └ history            everything that happens next: world, by dice
//! ```
//!
//! What must hold is seen at the client (`history`) and at the memory, by an oracle that knows neither engine nor
//! trace. A test that fails names its seed.

/// A simulated client, and what it saw.
mod client;
/// How devices go wrong.
mod faults;
/// What images hold if requests are done one by one.
mod oracle;
/// A trace, held against what the client saw.
mod recorded;
/// R3 and R4 of recordings.
mod recording;
/// What a client is going to do.
mod script;
/// Runs a check for many seeds, and names the one that fails.
mod seeds;
/// Who does what next.
mod world;
