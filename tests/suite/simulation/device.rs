//! A simulated device, layer by layer: an image in memory, on it a device whose completions dice choose, on that one
//! that goes wrong as it is told.
//!
//! Bytes come in, the bytes it holds in the end go out. Invariant: no two requests that conflict are with the image
//! together, or the world that looks fails.

use std::sync::{Arc, LazyLock};

use blkreplay_core::device::{BlockDevice, Durable, Fault, Geometry, Image, Memory, Rule, Sim};
use blkreplay_core::units::{Clock, VirtualClock};
use blkreplay_fixtures::workload::solid_bytes;

use super::script::DEVICE_BYTES;

/// What images hold before the first request: each a part of these bytes, made once.
static SOLID: LazyLock<Vec<u8>> =
    LazyLock::new(|| solid_bytes(0, 2 * usize::try_from(DEVICE_BYTES).unwrap()));

/// A simulated device.
pub(super) struct Device {
    memory: Arc<Memory>,
    pub(super) sim: Arc<Sim>,
    pub(super) fault: Arc<Fault>,
}

/// The bytes of an image that belong to `seed`.
pub(super) fn solid(seed: u64) -> &'static [u8] {
    let start = usize::try_from(seed % DEVICE_BYTES).unwrap();
    &SOLID[start..start + usize::try_from(DEVICE_BYTES).unwrap()]
}

impl Device {
    /// A device that holds `bytes` and goes wrong as `rules` say; `seed` decides what they leave to chance.
    pub(super) fn new(
        bytes: &[u8],
        block_min: u32,
        rules: Vec<Rule>,
        seed: u64,
        clock: &Arc<VirtualClock>,
    ) -> Device {
        let memory = Arc::new(Memory::new(bytes.len()));
        memory.write(0, bytes, Durable::Later).unwrap();
        let sim = Sim::with_blocks(Arc::clone(&memory) as Arc<dyn Image>, block_min);
        let below = Arc::clone(&sim) as Arc<dyn BlockDevice>;
        let fault = Fault::new(below, rules, Arc::clone(clock) as Arc<dyn Clock>, seed);
        Device { memory, sim, fault }
    }

    /// What the image holds.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0xee; usize::try_from(DEVICE_BYTES).unwrap()];
        self.memory.read(0, &mut bytes).unwrap();
        bytes
    }

    /// How many requests something was made of, by any rule.
    pub(super) fn struck(&self) -> u64 {
        self.fault.struck().iter().sum()
    }

    pub(super) fn geometry(&self) -> &Geometry {
        self.fault.geometry()
    }

    /// Whether two requests are with the image that may not be there together.
    pub(super) fn check_conflicts(&self) {
        if self.sim.parked_count() < 2 {
            return;
        }
        let parked = self.sim.parked();
        let block = u64::from(self.sim.geometry().block_min);
        for (place, one) in parked.iter().enumerate() {
            for two in &parked[..place] {
                assert!(!one.1.conflicts(&two.1, block), "in flight together: {two:?} and {one:?}");
            }
        }
    }
}
