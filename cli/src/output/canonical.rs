//! Requests without what changes from run to run: for files that are committed and compared.
//!
//! Rows come in, sorted lines go out, one epoch of one device at a time. There are no times, ids or
//! connections in a line. Invariant: two runs that ask for the same in each epoch, in whatever order, give
//! the same lines; memory holds one epoch.

use std::fmt::Write as _;
use std::mem;

use blkreplay_core::request::DeviceId;
use blkreplay_core::rows::Row;

use super::{Devices, has_range, known, row_flags, row_outcome};

/// The first line: what follows, and by which rules.
pub(crate) const FIRST_LINE: &str = "# blkreplay canonical 1";

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
        let mut line = String::new();
        // Writing to a string cannot fail.
        if self.devices.are_several() {
            let _ = write!(line, "{} ", self.devices.printed(self.device));
        }
        let _ = write!(line, "e{:03} {}", row.epoch, row.request.operation);
        if has_range(&row.request) {
            let _ = write!(line, " {}", row.request.range);
        }
        let flags = row_flags(row);
        if !flags.is_empty() {
            let _ = write!(line, " {}", flags.join(","));
        }
        if let Some(payload) = known(row.payload) {
            let _ = write!(line, " {payload}");
        }
        match row_outcome(row) {
            Some(outcome) => {
                let _ = write!(line, " {outcome}");
            }
            None => line.push_str(" -"),
        }
        line
    }
}
