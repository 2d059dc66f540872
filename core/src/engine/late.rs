//! Requests whose clients had gone when they were recorded, and that the replay did without: they may still come.
//!
//! Invariant: no more are kept in mind than a replay looks ahead; one that was forgotten is an unexpected request.

use std::collections::HashMap;

use super::expected::Arrived;
use crate::event::Payload;
use crate::request::{ConnectionId, DeviceId, Request};

/// Requests that may come late.
#[derive(Debug, Default)]
pub(super) struct Late {
    by_key: HashMap<(DeviceId, Request), Vec<(ConnectionId, Payload)>>,
    count: usize,
}

impl Late {
    /// Keeps a request of this connection in mind, unless there are `max` already.
    pub(super) fn add(
        &mut self,
        (device, request): (DeviceId, Request),
        connection: ConnectionId,
        payload: Payload,
        max: usize,
    ) {
        if self.count < max {
            self.count += 1;
            self.by_key.entry((device, request)).or_default().push((connection, payload));
        }
    }

    /// Those that ask the same and whose data are not known to differ: what [`Late::take`] knows each by, and whose
    /// it was.
    pub(super) fn candidates(
        &self,
        arrival: &Arrived<'_>,
    ) -> impl Iterator<Item = (usize, ConnectionId)> {
        let late = self.by_key.get(&(arrival.device, arrival.request));
        let late = late.into_iter().flatten().enumerate();
        late.filter(|(_, (_, payload))| !payload.differs(arrival.payload))
            .map(|(index, (connection, _))| (index, *connection))
    }

    /// One of the candidates has come.
    pub(super) fn take(&mut self, arrival: &Arrived<'_>, index: usize) {
        let key = (arrival.device, arrival.request);
        let Some(late) = self.by_key.get_mut(&key) else { return };
        late.remove(index);
        self.count -= 1;
        if late.is_empty() {
            self.by_key.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Flags, Operation};
    use crate::units::ByteRange;

    #[test]
    fn what_comes_late_is_taken_once_and_must_ask_the_same() {
        let range = ByteRange::new(0, 4);
        let request = Request { operation: Operation::Write, range, flags: Flags::NONE };
        let (data, other) = (Payload::of(b"data"), Payload::of(b"dada"));
        let arrived = |payload| Arrived {
            connection: ConnectionId(0),
            device: DeviceId(0),
            request,
            payload,
        };
        let mut late = Late::default();
        for connection in [3, 4, 5] {
            late.add((DeviceId(0), request), ConnectionId(connection), data, 2);
        }
        assert_eq!(late.candidates(&arrived(&other)).count(), 0, "it wrote something else");
        let found: Vec<_> = late.candidates(&arrived(&data)).collect();
        assert_eq!(found, [(0, ConnectionId(3)), (1, ConnectionId(4))], "there was room for two");
        late.take(&arrived(&data), 0);
        late.take(&arrived(&data), 0);
        assert_eq!(late.candidates(&arrived(&data)).count(), 0);
        assert_eq!(late.count, 0);
    }
}
