//! Devices and connections that a part of a trace needs and that began before it. Notes and requests come in, notes
//! that are due go out.
//!
//! Invariant: a note is given out once at most, before the first request of its device or connection; no more than
//! `EDIT_CONNECTIONS_MAX` connections are kept in mind, and the oldest is forgotten first.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, EventKind};
use crate::limits::EDIT_CONNECTIONS_MAX;
use crate::request::{ConnectionId, DeviceId};

/// What was noted and is not given out yet, and what was.
#[derive(Debug, Default)]
pub(super) struct Notes {
    opens: BTreeMap<DeviceId, Event>,
    lengths: BTreeMap<DeviceId, Event>,
    connects: BTreeMap<ConnectionId, Event>,
    told_devices: BTreeSet<DeviceId>,
    told_connections: BTreeSet<ConnectionId>,
}

impl Notes {
    /// Keeps a note in mind that is not given out yet, or forgets what it ends. Gives back the end of what was
    /// given out.
    pub(super) fn keep(&mut self, event: Event) -> Option<Event> {
        match &event.kind {
            EventKind::Open { device } => {
                self.told_devices.remove(device);
                self.opens.insert(*device, event);
                None
            }
            EventKind::Length { device, .. } => {
                let told = self.told_devices.contains(device);
                if told { Some(event) } else { self.lengths.insert(*device, event).and(None) }
            }
            EventKind::Close { device } => {
                self.opens.remove(device);
                self.lengths.remove(device);
                self.told_devices.remove(device).then_some(event)
            }
            EventKind::Connect(connect) => {
                let connection = connect.connection;
                self.told_connections.remove(&connection);
                if self.connects.len() >= EDIT_CONNECTIONS_MAX {
                    self.connects.pop_first();
                }
                self.connects.insert(connection, event);
                None
            }
            EventKind::Disconnect { connection, .. } => {
                self.connects.remove(connection);
                self.told_connections.remove(connection).then_some(event)
            }
            _ => Some(event),
        }
    }

    /// Remembers that a note was given out, and gives what must be given out before it.
    pub(super) fn tell(&mut self, event: &Event, due: &mut Vec<Event>) {
        match &event.kind {
            EventKind::Open { device } => {
                self.lengths.remove(device);
                self.opens.remove(device);
                self.told_devices.insert(*device);
            }
            EventKind::Length { device, .. } => {
                self.lengths.remove(device);
                self.device(*device, due);
            }
            EventKind::Connect(connect) => {
                self.device(connect.device, due);
                self.connects.remove(&connect.connection);
                self.told(connect.connection);
            }
            EventKind::Close { device } => {
                self.device(*device, due);
                self.told_devices.remove(device);
            }
            EventKind::Disconnect { connection, .. } => {
                self.connection(*connection, due);
                self.told_connections.remove(connection);
            }
            _ => {}
        }
    }

    /// What must be given out before a request.
    pub(super) fn need(
        &mut self,
        device: DeviceId,
        connection: ConnectionId,
        due: &mut Vec<Event>,
    ) {
        self.device(device, due);
        self.connection(connection, due);
    }

    fn device(&mut self, device: DeviceId, due: &mut Vec<Event>) {
        let notes = [self.opens.remove(&device), self.lengths.remove(&device)];
        if notes.iter().any(Option::is_some) {
            self.told_devices.insert(device);
        }
        due.extend(notes.into_iter().flatten());
    }

    fn connection(&mut self, connection: ConnectionId, due: &mut Vec<Event>) {
        if let Some(event) = self.connects.remove(&connection) {
            if let EventKind::Connect(connect) = &event.kind {
                self.device(connect.device, due);
            }
            due.push(event);
            self.told(connection);
        }
    }

    fn told(&mut self, connection: ConnectionId) {
        if self.told_connections.len() >= EDIT_CONNECTIONS_MAX {
            self.told_connections.pop_first();
        }
        self.told_connections.insert(connection);
    }
}
