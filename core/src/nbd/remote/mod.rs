//! An export of another server as a device and as an image of ours: an address comes in, what can be recorded, or replayed
//! on, goes out.
//!
//! ```text
//!  address ─▶ route (dial, TLS, negotiation) ─▶ ability ─▶ link: job ─▶ requests ─▶ server
//!                                                           └─ job ◀─ answers ◀──────┘
//! ```
//!
//! `queue` and `image` are the two ways in. The first connection is made by [`Remote::open`]; each further queue gets one
//! of its own where the server says that a flush covers all of them (`CAN_MULTI_CONN`), and shares the first one
//! otherwise, or if the server lets no more clients in. TLS is spoken by who is handed in for it (`secure`). There is no
//! lock that could be taken. Invariant: a server that is lost stays lost, for it may have lost what was not flushed.

mod ability;
mod address;
mod dial;
mod image;
mod job;
mod link;
mod queue;
mod route;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::ability::ability;
use self::link::{Link, Setting};
use self::queue::RemoteQueue;
use self::route::Route;
use crate::device::{Access, BlockDevice, Doorbell, Geometry, Queue};
use crate::nbd::negotiate::NegotiationError;
use crate::nbd::secure::Secure;

pub use self::ability::UnusableError;
pub use self::address::{Address, AddressError, AddressTls};
pub use self::link::{Loss, LossError};

/// How long one more connection may take before the first is shared: a client waits meanwhile.
const ANOTHER_TIME: Duration = Duration::from_secs(2);

/// How patient we are with a server.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the first packet to the choice of the export.
    pub connect: Duration,
    /// For how long it may say nothing while it owes an answer.
    pub answer: Duration,
}

impl Default for Patience {
    /// Ten seconds to connect, as long as our own server gives its clients; a minute for an answer, which a disk that
    /// flushes much may need.
    fn default() -> Patience {
        Patience { connect: Duration::from_secs(10), answer: Duration::from_mins(1) }
    }
}

/// Why an export could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Nobody is there.
    #[error("cannot connect to the server")]
    Connect(#[source] io::Error),
    /// Somebody is there and says nothing.
    #[error("the server did not let us in within {} seconds", .0.as_secs_f32())]
    Silent(Duration),
    /// It does not know us, or we do not know it, or its TLS is none.
    #[error("TLS with the server failed")]
    Tls(#[source] io::Error),
    /// There is no export to use.
    #[error("cannot choose the export")]
    Negotiation(#[source] NegotiationError),
    /// There is one, and it cannot be used.
    #[error(transparent)]
    Unusable(#[from] UnusableError),
    /// The system failed us.
    #[error("cannot look after the connection")]
    System(#[source] io::Error),
}

impl RemoteError {
    /// What to do about it, where there is something; a whole sentence without a full stop. `ADDRESS` stands for the
    /// address.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            RemoteError::Connect(_) => Some("nbdinfo ADDRESS tells whether its server is there"),
            RemoteError::Silent(_) => Some(
                "a server may let in one client only and have one: qemu-nbd --shared=8 lets in more",
            ),
            RemoteError::Negotiation(NegotiationError::TlsRequired) => Some(
                "nbds: in place of nbd: speaks TLS, with the certificates of a directory: \
                 'nbds://HOST/EXPORT?tls-certificates=DIR', 'nbds+unix:///EXPORT?socket=PATH&tls-certificates=DIR'",
            ),
            RemoteError::Negotiation(NegotiationError::NoTls { .. }) => {
                Some("nbd: in place of nbds: speaks to it in plain")
            }
            RemoteError::Unusable(UnusableError::ReadOnly) => {
                Some("without --write the image is only read, and changes are thrown away")
            }
            _ => None,
        }
    }
}

/// An export of another server.
pub struct Remote {
    route: Route,
    geometry: Geometry,
    setting: Setting,
    /// Made first; shared by all that have none of their own.
    first: Arc<Link>,
    /// Whether a queue has it for itself.
    is_lent: AtomicBool,
    /// The server did not let one more in.
    is_full: AtomicBool,
}

impl Remote {
    /// Connects to the server and chooses the export. Without [`Access::ReadWrite`] it is never asked to change anything.
    /// `secure` is who talks TLS with it; where the address asks for that and there is nobody, nothing is said.
    pub fn open(
        address: &Address,
        secure: Option<Arc<dyn Secure>>,
        access: Access,
        patience: Patience,
    ) -> Result<Arc<Remote>, RemoteError> {
        let route = Route { address: address.clone(), secure, patience };
        let (line, terms) = route.connect()?;
        let (geometry, ability) = ability(&terms, access)?;
        let setting = Setting {
            terms,
            ability,
            read_only: geometry.read_only,
            answer_time: patience.answer,
            loss: Arc::new(OnceLock::new()),
        };
        let first = Link::start(line, &setting).map_err(RemoteError::System)?;
        Ok(Arc::new(Remote {
            route,
            geometry,
            setting,
            first: Arc::new(first),
            is_lent: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
        }))
    }

    /// Why the server is of no use any more, if it is not.
    pub fn loss(&self) -> Option<&Loss> {
        self.setting.loss.get()
    }

    /// A connection of its own for one more queue, if there can be one.
    fn another(&self) -> Option<Link> {
        if self.loss().is_some() || self.is_full.load(Ordering::Relaxed) {
            return None;
        }
        let Route { address, secure, patience } = &self.route;
        let patience = Patience { connect: patience.connect.min(ANOTHER_TIME), ..*patience };
        let route = Route { address: address.clone(), secure: secure.clone(), patience };
        let connected = route.connect().ok();
        // An export that is not what it was is not mixed with what it was.
        let link = connected.filter(|(_, terms)| terms.say_the_same_as(&self.setting.terms));
        let link = link.and_then(|(line, terms)| {
            Link::start(line, &Setting { terms, ..self.setting.clone() }).ok()
        });
        // One wait for a server that lets nobody in is enough.
        self.is_full.store(link.is_none(), Ordering::Relaxed);
        link
    }

    /// The first connection is free again.
    fn take_back(&self) {
        self.is_lent.store(false, Ordering::SeqCst);
    }
}

impl BlockDevice for Remote {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn open_queue(self: Arc<Self>, doorbell: Arc<Doorbell>) -> Box<dyn Queue> {
        let (link, lent_by) = if !self.setting.ability.multi_conn {
            (Arc::clone(&self.first), None)
        } else if !self.is_lent.swap(true, Ordering::SeqCst) {
            (Arc::clone(&self.first), Some(self))
        } else {
            (self.another().map_or_else(|| Arc::clone(&self.first), Arc::new), None)
        };
        Box::new(RemoteQueue::new(link, lent_by, doorbell))
    }
}
