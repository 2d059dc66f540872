//! A device attached to an engine: what clients are told of it, and the way in for each connection.
//!
//! Requests go through a [`Port`]; this makes them. It knows neither sockets nor trace files. Invariant: a connection
//! is in the log before anything that comes over it, and its end after all of it.

use std::io;
use std::sync::Arc;

use super::driver::{Negotiated, Port};
use super::outbox::Outbox;
use super::{Engine, Logging};
use crate::device::{BlockDevice, Doorbell, Geometry, Queue};
use crate::event::{Connect, Disconnect, EventKind};
use crate::request::{ConnectionId, DeviceId};

/// A device attached to an engine. Shared by all connections to it.
pub struct Disk {
    pub(super) engine: Arc<Engine>,
    pub(super) id: DeviceId,
    geometry: Geometry,
    /// `None` where a trace answers.
    device: Option<Arc<dyn BlockDevice>>,
}

impl Disk {
    pub(super) fn new(
        engine: Arc<Engine>,
        id: DeviceId,
        geometry: Geometry,
        device: Option<Arc<dyn BlockDevice>>,
    ) -> Disk {
        Disk { engine, id, geometry, device }
    }

    /// Its number in the trace.
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// What it is.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// A queue to its image, if there is one.
    pub(super) fn open_queue(&self, bell: &Arc<Doorbell>) -> Option<Box<dyn Queue>> {
        let device = self.device.as_ref()?;
        Some(Arc::clone(device).open_queue(Arc::clone(bell)))
    }

    /// A way to this disk for one connection, which is logged. Fails when the process has no descriptors
    /// left.
    pub fn connect(self: &Arc<Disk>, negotiated: Negotiated) -> io::Result<Port> {
        Ok(self.connect_with(negotiated, Arc::new(Doorbell::new()?)))
    }

    /// The same, with a bell that its caller looks after.
    pub(super) fn connect_with(
        self: &Arc<Disk>,
        negotiated: Negotiated,
        bell: Arc<Doorbell>,
    ) -> Port {
        let queue = self.open_queue(&bell);
        let outbox = Arc::new(Outbox::new(bell));
        let connection = self.engine.connect(self.id, negotiated);
        Port::new(Arc::clone(self), connection, queue, outbox)
    }
}

impl Engine {
    /// Logs a new connection and numbers it.
    fn connect(&self, device: DeviceId, negotiated: Negotiated) -> ConnectionId {
        let mut state = self.lock();
        let connection = state.next_connection();
        let Negotiated { export, structured_replies, block_status, extended_headers } = negotiated;
        let connect = Connect {
            connection,
            device,
            export,
            structured_replies,
            block_status,
            extended_headers,
        };
        self.note(&state, EventKind::Connect(connect));
        if let Some(conductor) = &mut state.conductor {
            conductor.connected();
        }
        if state.logging == Logging::On {
            state.connected.insert(connection);
        }
        connection
    }

    /// Logs the end of a connection.
    pub(super) fn disconnected(&self, connection: ConnectionId, reason: Disconnect) {
        let mut state = self.lock();
        if state.logging == Logging::On {
            state.connected.remove(&connection);
        }
        self.note(&state, EventKind::Disconnect { connection, reason });
    }
}
