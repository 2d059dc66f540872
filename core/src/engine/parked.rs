//! For tests of the engine: a device that completes nothing until it is told to, clocks, and a header.
//!
//! Invariant: nothing here happens by itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::device::{BlockDevice, Completion, Doorbell, Geometry, Queue, Submission};
use crate::format::{
    DeviceHeader, Fingerprint, FingerprintMethod, Header, LimitsHeader, PayloadPolicy,
};
use crate::request::{Errno, Operation, Request};
use crate::units::{Clock, Nanos};

/// A clock that always says 0.
pub(super) struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Nanos {
        Nanos(0)
    }
}

/// A clock that moves by one microsecond whenever it is read.
#[derive(Default)]
pub(super) struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Nanos {
        Nanos(self.0.fetch_add(1000, Ordering::SeqCst))
    }
}

/// A header with `devices` devices of 1 MiB.
pub(crate) fn header(payload: PayloadPolicy, devices: usize) -> Header {
    let device = DeviceHeader {
        name: "disk".to_owned(),
        image: "disk.img".to_owned(),
        format: "raw".to_owned(),
        size: 1 << 20,
        block_min: 1,
        block_preferred: 4096,
        read_only: false,
        discard: true,
        fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
    };
    Header {
        tool: "test".to_owned(),
        command: Vec::new(),
        wall_clock_ns: 0,
        payload,
        devices: vec![device; devices],
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 0, connection_requests: 0 },
        recovered: None,
        replay: None,
        edits: crate::format::Edits::default(),
    }
}

/// Parks every submission of every queue.
pub(super) struct Parked {
    geometry: Geometry,
    inside: Mutex<Vec<Place>>,
}

/// One submission with where its completion goes.
struct Place {
    submission: Submission,
    home: Arc<Home>,
}

/// One queue's completions.
struct Home {
    completions: Mutex<Vec<Completion>>,
    doorbell: Arc<Doorbell>,
}

struct ParkedQueue {
    device: Arc<Parked>,
    home: Arc<Home>,
    in_flight: usize,
}

impl Parked {
    /// A device of `size` bytes with blocks of one byte.
    pub(super) fn new(size: u64) -> Arc<Parked> {
        let geometry =
            Geometry { size, block_min: 1, block_preferred: 4096, read_only: false, discard: true };
        Arc::new(Parked { geometry, inside: Mutex::default() })
    }

    /// The tags that are parked, in the order of submission.
    pub(super) fn parked(&self) -> Vec<u64> {
        self.inside.lock().unwrap().iter().map(|place| place.submission.tag).collect()
    }

    /// Completes one; a read that works returns bytes of 7.
    pub(super) fn complete(&self, tag: u64, result: Result<(), Errno>) {
        self.leave(tag, result, |request| match request.operation {
            Operation::Read if result.is_ok() => {
                vec![7; usize::try_from(request.range.length).unwrap()]
            }
            _ => Vec::new(),
        });
    }

    /// Completes it with these data.
    pub(super) fn deliver(&self, tag: u64, data: Vec<u8>) {
        self.leave(tag, Ok(()), |_| data);
    }

    fn leave(&self, tag: u64, result: Result<(), Errno>, data: impl FnOnce(Request) -> Vec<u8>) {
        let mut inside = self.inside.lock().unwrap();
        let number = inside.iter().position(|place| place.submission.tag == tag).unwrap();
        let Place { submission, home } = inside.remove(number);
        let data = Bytes::from(data(submission.request));
        home.completions.lock().unwrap().push(Completion {
            tag,
            result,
            data,
            extents: Vec::new(),
        });
        home.doorbell.ring();
    }
}

impl BlockDevice for Parked {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn open_queue(self: Arc<Self>, doorbell: Arc<Doorbell>) -> Box<dyn Queue> {
        let home = Arc::new(Home { completions: Mutex::default(), doorbell });
        Box::new(ParkedQueue { device: self, home, in_flight: 0 })
    }
}

impl Queue for ParkedQueue {
    fn submit(&mut self, submission: Submission) {
        self.in_flight += 1;
        let place = Place { submission, home: Arc::clone(&self.home) };
        self.device.inside.lock().unwrap().push(place);
    }

    fn kick(&mut self) {}

    fn poll(&mut self, completions: &mut Vec<Completion>) {
        let mut ready = self.home.completions.lock().unwrap();
        self.in_flight -= ready.len();
        completions.append(&mut ready);
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }
}
