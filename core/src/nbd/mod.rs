//! The NBD front: clients on sockets in, requests to the engine, replies out.
//!
//! ```text
//!  socket ─▶ inbox ─▶ handshake (options) ─▶ transmission ─▶ engine ─▶ reply ─▶ outbox ─▶ socket
//!            └──────────── connection: one thread each, started and ended by server ────────────┘
//! ```
//!
//! `wire` has the protocol's numbers, `export` what is served and advertised. The other side is `negotiate`, `asking` and
//! `answers`, for `client`, a small one for the demo and for tests, and for `remote`, the export of another server as a
//! device. Fixed newstyle with `GO`, `INFO`, `LIST` and
//! `EXPORT_NAME`, structured replies, extended headers, `base:allocation`, DF, FUA, flush, trim, write zeroes, cache,
//! multi-conn and block sizes are supported; oldstyle is not; TLS is where the caller has it (`secure`), on both sides. All but
//! `connection`, `server` and `remote` do no I/O.
//! Invariant: a client, however hostile, takes bounded memory and harms nobody but itself.

mod answers;
mod asking;
mod client;
mod connection;
#[cfg(feature = "fuzz")]
pub mod conversation;
mod export;
mod handshake;
mod inbox;
mod linger;
mod negotiate;
mod notes;
mod options;
mod outbox;
mod remote;
mod reply;
mod secure;
mod server;
mod session;
mod stop;
mod transmission;
mod transport;
pub mod wire;

pub use answers::{Answer, AnswerError};
pub use asking::Dialect;
pub use client::{Client, ClientError};
pub use connection::{ConnectionError, ConnectionReport};
pub use export::{Advertised, Export, advertised};
pub use handshake::HandshakeError;
pub use negotiate::NegotiationError;
pub use remote::{
    Address, AddressError, AddressTls, Loss, LossError, Patience, Remote, RemoteError,
    UnusableError,
};
pub use secure::{Secure, Tunnel};
pub use server::{Listener, OnEnd, Server};
pub use transmission::{Subject, TransmissionError};
