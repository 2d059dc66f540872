//! Where other threads leave what belongs to a port: released completions, and requests that need not wait
//! any longer.
//!
//! The port's own thread empties it. Invariant: what is left here is followed by a ring, unless the port's own
//! thread left it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::driver::Released;
use crate::device::{Doorbell, Submission};
use crate::event::PayloadId;
use crate::request::DeviceId;

/// No device has this number.
const NOT_MONITORED: u32 = u32::MAX;

/// What a port's thread is to do, outside the engine's lock.
#[derive(Debug)]
pub(super) enum Work {
    /// Hand a request to the image.
    Submit(DeviceId, Submission),
    /// Get data from the trace that is replayed: the answer to the request with this ticket.
    Fetch { ticket: u64, payload: PayloadId },
    /// Get back data that had been spilled, of the request with this ticket.
    Load { ticket: u64, offset: u64, length: u64 },
}

/// What other threads leave for a port.
#[derive(Debug)]
pub(super) struct Outbox {
    inside: Mutex<Inside>,
    bell: Arc<Doorbell>,
    /// Nobody will send what is released from now on.
    gone: AtomicBool,
    /// The device whose completions a monitor takes from here, with everything else that it is to run, in order; more
    /// than any device's number if none does.
    monitored: AtomicU32,
}

#[derive(Debug, Default)]
struct Inside {
    /// Released by a checkpoint.
    released: Vec<Released>,
    /// To be done by the port's own thread: what the conflict rule let go, and what a replay needs.
    ready: Vec<Work>,
}

impl Outbox {
    /// An empty one; `bell` wakes the port's thread.
    pub(super) fn new(bell: Arc<Doorbell>) -> Outbox {
        let (gone, monitored) = (AtomicBool::new(false), AtomicU32::new(NOT_MONITORED));
        Outbox { inside: Mutex::default(), bell, gone, monitored }
    }

    /// Says whether a monitor takes what is released, and of which device that is.
    pub(super) fn set_monitored(&self, device: Option<DeviceId>) {
        let number = device.map_or(NOT_MONITORED, |device| u32::from(device.0));
        self.monitored.store(number, Ordering::Relaxed);
    }

    /// The device, if a monitor takes what is released. To be asked under the engine's lock.
    pub(super) fn monitored(&self) -> Option<DeviceId> {
        u16::try_from(self.monitored.load(Ordering::Relaxed)).ok().map(DeviceId)
    }

    /// Wakes the port's thread.
    pub(super) fn bell(&self) -> &Arc<Doorbell> {
        &self.bell
    }

    /// Says that nobody will send what is released from now on.
    pub(super) fn abandon(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    /// What is to be done.
    pub(super) fn take_ready(&self) -> Vec<Work> {
        std::mem::take(&mut self.inside().ready)
    }

    /// Appends what was released; returns how many.
    pub(super) fn take_released(&self, released: &mut Vec<Released>) -> usize {
        let mut inside = self.inside();
        let count = inside.released.len();
        released.append(&mut inside.released);
        count
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the client has gone.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    /// Hands a released completion to the front. The thread that does so looks into its `own` outbox anyway.
    pub(super) fn release(self: &Arc<Outbox>, released: Released, own: &Arc<Outbox>) {
        self.inside().released.push(released);
        self.ring_unless(own);
    }

    /// Hands over something to be done by the port's own thread, such as a request that need not wait any longer.
    pub(super) fn let_go(self: &Arc<Outbox>, work: Work, own: &Arc<Outbox>) {
        self.inside().ready.push(work);
        self.ring_unless(own);
    }

    fn ring_unless(self: &Arc<Outbox>, own: &Arc<Outbox>) {
        if !Arc::ptr_eq(self, own) {
            self.bell.ring();
        }
    }
}
