//! What is in flight: requests that are never completed, that overlap, or that stand still.
//!
//! Events in, findings out. Knows no results and no data. Invariant: no more than `FINDINGS_OPEN_MAX` requests are kept in
//! mind; where there are more, or events are missing, nothing is said that depends on those that are not.

use std::collections::{BTreeMap, HashMap};

use super::place::Place;
use super::spans::Spans;
use super::{Finding, words_of};
use crate::event::{Block, Issue};
use crate::limits::FINDINGS_OPEN_MAX;
use crate::request::{DeviceId, Request, RequestId};
use crate::units::Nanos;

/// A device on which requests are in flight that completes nothing for longer than this stands still.
const STALL: Nanos = Nanos(100_000_000);

/// A request in flight.
#[derive(Debug, Clone, Copy)]
struct Open {
    device: DeviceId,
    request: Request,
    place: Place,
}

/// How many are in flight on a device, and since when nothing was completed there.
#[derive(Debug, Clone, Copy, Default)]
struct Lane {
    open: u64,
    since: Nanos,
}

/// The requests in flight.
#[derive(Debug)]
pub(super) struct Flight {
    limit: usize,
    open: BTreeMap<RequestId, Open>,
    /// Those of them that reach the image.
    spans: Spans,
    lanes: HashMap<DeviceId, Lane>,
    /// Lengths of devices; requests beyond them and writes to what is read-only are refused, and touch nothing.
    devices: Vec<(u64, bool)>,
    /// Some that are in flight are not known.
    unsure: bool,
    /// That is because there were too many.
    pub(super) crowded: bool,
}

impl Flight {
    /// Of devices with these lengths, and whether they are read-only; of others nothing is known.
    pub(super) fn new(devices: Vec<(u64, bool)>) -> Flight {
        Flight {
            limit: FINDINGS_OPEN_MAX,
            open: BTreeMap::new(),
            spans: Spans::default(),
            lanes: HashMap::new(),
            devices,
            unsure: false,
            crowded: false,
        }
    }

    /// Events are missing here: what was in flight may not be any longer.
    pub(super) fn missing(&mut self) {
        self.open.clear();
        self.spans = Spans::default();
        self.lanes.clear();
        self.unsure = true;
    }

    pub(super) fn issue(&mut self, issue: &Issue, place: Place, found: &mut Vec<Finding>) {
        let Issue { id, device, request, .. } = *issue;
        let finding = |name, detail| place.finding(name, detail).of(id, device, request.range);
        if self.open.contains_key(&id) {
            found.extend(finding("id-in-flight", words_of(&request)));
            return;
        }
        let reaches = self.reaches(device, &request);
        if reaches {
            let others: Vec<_> = self.spans.conflicting(device, &request).collect();
            if let Some((other, open)) =
                others.iter().min().and_then(|id| self.open.get_key_value(id))
            {
                let more = match others.len() - 1 {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let (one, two) = (words_of(&request), words_of(&open.request));
                let detail = format!("{one} while {other} {two}{more}");
                found.extend(finding("overlap", detail).with(*other));
            }
        }
        if self.open.len() >= self.limit {
            (self.unsure, self.crowded) = (true, true);
            return;
        }
        self.open.insert(id, Open { device, request, place });
        if reaches {
            self.spans.insert(id, device, &request);
        }
        let lane = self.lanes.entry(device).or_default();
        if lane.open == 0 {
            lane.since = place.time;
        }
        lane.open += 1;
    }

    /// Whether the front lets it through to the image.
    fn reaches(&self, device: DeviceId, request: &Request) -> bool {
        let known = self.devices.get(usize::from(device.0));
        known.is_none_or(|(size, read_only)| {
            request.range.fits(*size) && !(*read_only && request.operation.modifies())
        })
    }

    pub(super) fn block(&mut self, block: &Block, place: Place, found: &mut Vec<Finding>) {
        let Some(open) = self.open.remove(&block.id) else {
            if !self.unsure {
                let detail = format!("{} of {}", block.operation, block.id);
                found.extend(place.finding("not-issued", detail).about(block.id, block.device));
            }
            return;
        };
        self.spans.remove(block.id, open.device, &open.request);
        self.completed(open.device, place, found);
    }

    /// A request of this device was completed.
    fn completed(&mut self, device: DeviceId, place: Place, found: &mut Vec<Finding>) {
        let Some(lane) = self.lanes.get_mut(&device) else { return };
        let still = place.time.since(lane.since);
        // Where one is not known, its completion is not known either.
        if still > STALL && !self.unsure {
            let oldest = self.open.iter().find(|(_, open)| open.device == device);
            let detail = format!("{still} with {} in flight", lane.open);
            let finding = place.finding("stall", detail);
            found.extend(match oldest {
                Some((id, _)) => finding.on(device).with(*id),
                None => finding.on(device),
            });
        }
        lane.since = place.time;
        lane.open -= 1;
    }

    /// No events follow; `cut` says that there were more.
    pub(super) fn finish(&mut self, cut: bool, found: &mut Vec<Finding>) {
        let name = if cut { "open-at-cut" } else { "never-completed" };
        for (id, open) in std::mem::take(&mut self.open) {
            let Open { device, request, place } = open;
            let finding = place.finding(name, words_of(&request));
            found.extend(finding.of(id, device, request.range));
        }
    }
}
