//! Requests without what changes from run to run: for files that are committed and compared.
//!
//! Rows come in, sorted lines go out, one epoch of one device at a time. There are no times, ids or
//! connections in a line. What a line is, core says. Invariant: two runs that ask for the same in each epoch, in whatever order, give
//! the same lines; memory holds one epoch.

use std::mem;

use blkreplay_core::diff::canonical;
use blkreplay_core::request::DeviceId;
use blkreplay_core::rows::Row;

use super::Devices;

/// The lines before those of requests.
pub(crate) fn head(devices: &Devices) -> Vec<String> {
    let first = canonical::FIRST_LINE.to_owned();
    std::iter::once(first).chain(canonical::devices_line(devices.names())).collect()
}

/// Gathers the lines of one device.
#[derive(Debug)]
pub(crate) struct Canonical<'devices> {
    devices: &'devices Devices,
    device: DeviceId,
    epoch: u64,
    lines: Vec<String>,
}

impl<'devices> Canonical<'devices> {
    /// The lines of `device`, from its first request on.
    pub(crate) fn new(devices: &'devices Devices, device: DeviceId) -> Canonical<'devices> {
        Canonical { devices, device, epoch: 0, lines: Vec::new() }
    }

    /// Takes a row of this device, and gives the lines of the epoch that it ends, if it ends one. Rows come
    /// in the order of issue, so the epochs of a device come one after another.
    pub(crate) fn request(&mut self, row: &Row) -> Vec<String> {
        let ended = if row.epoch == self.epoch { Vec::new() } else { self.finish() };
        self.epoch = row.epoch;
        let line = self.line(row);
        self.lines.push(line);
        ended
    }

    /// Gives the lines of the epoch that is being gathered.
    pub(crate) fn finish(&mut self) -> Vec<String> {
        let mut lines = mem::take(&mut self.lines);
        lines.sort_unstable();
        lines
    }

    fn line(&self, row: &Row) -> String {
        let name = self.devices.are_several().then(|| self.devices.name(self.device));
        canonical::line(row, name.as_deref())
    }
}
