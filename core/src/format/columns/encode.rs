//! Events to columns: gathers the events of one chunk, column by column.
//!
//! Each number is told relative to what a reader knows by then: where a request's issue is in the chunk, its
//! completion adds little. Invariant: what is encoded decodes to the same event (`decode` has the test).

use std::collections::HashMap;
use std::mem;

use super::super::before::{completion, extent, payload, shape};
use super::super::decode::UnknownEvent;
use super::super::encode::{Rows, put_other, put_unknown};
use super::super::varint::put;
use super::directory::Layer;
use super::join::Join;
use super::planes::{self, Layout};
use super::runs::{Class, Runs};
use super::{Column, Relative, zigzag};
use crate::event::{Block, Checkpoint, Event, EventKind, Issue, Payload};
use crate::limits::{COLUMNS_BYTES, COLUMNS_EVENTS};
use crate::request::Extent;
use crate::units::Nanos;

/// A chunk with this many columns of bytes is worth a try with another layout: one zero in so many numbers.
const ZEROES_ONE_IN: usize = 16;

/// How much a trial of a layout is packed.
const TRIAL_LEVEL: i32 = 1;

/// Gathers the events of one chunk.
#[derive(Debug, Default)]
pub(in crate::format) struct Encoder {
    count: u32,
    time_first: u64,
    /// Of the event before.
    time: u64,
    runs: Runs,
    issues: Issues,
    checkpoints: Checkpoints,
    blocks: Blocks,
    payload_ids: Vec<u64>,
    payload_next: u64,
    digests: Vec<u8>,
    others: Vec<u8>,
}

/// The columns of issues.
#[derive(Debug, Default)]
struct Issues {
    join: Join,
    deltas: Vec<u64>,
    times: Vec<u64>,
    devices: Vec<u16>,
    ids: Vec<u64>,
    id_next: u64,
    shapes: Vec<u64>,
    flags: Vec<u64>,
    routes: Vec<u64>,
    cookies: Vec<u64>,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
    earlies: Vec<u64>,
    route_places: HashMap<(u16, u32), u64>,
    route_list: Vec<u8>,
}

/// The columns of checkpoints.
#[derive(Debug, Default)]
struct Checkpoints {
    deltas: Vec<u64>,
    which: Vec<u64>,
}

/// The columns of blocks.
#[derive(Debug, Default)]
struct Blocks {
    deltas: Vec<u64>,
    ids: Vec<u64>,
    id_next: u64,
    shapes: Vec<u64>,
    /// By operation: the shape of the block before.
    shape_before: [u8; 8],
    flags: Vec<u64>,
    devices: Vec<u64>,
    holds: Vec<u64>,
    /// The hold of the event before, if it was a block.
    hold_before: u64,
    latencies: Vec<u64>,
    errnos: Vec<u64>,
    extents: Vec<u8>,
}

impl Encoder {
    /// Appends `event`. Its time must not be less than that of the event before in this chunk.
    pub(in crate::format) fn add(&mut self, event: &Event) {
        let delta = self.step(event.time.0);
        let class = match &event.kind {
            EventKind::Issue(issue) => {
                self.issue(delta, issue);
                Class::Issue
            }
            EventKind::Block(block) => {
                self.block(delta, block);
                Class::Block
            }
            EventKind::Checkpoint(checkpoint) => {
                self.checkpoints.add(delta, *checkpoint);
                Class::Checkpoint
            }
            other => {
                put_other(&mut self.others, delta, other);
                Class::Other
            }
        };
        if class != Class::Block {
            self.blocks.hold_before = 0;
        }
        self.runs.add(class);
    }

    /// Appends an event of a kind that is not known, as it was read.
    pub(in crate::format) fn add_unknown(&mut self, event: &UnknownEvent) {
        let delta = self.step(event.time.0);
        put_unknown(&mut self.others, delta, event);
        self.blocks.hold_before = 0;
        self.runs.add(Class::Other);
    }

    /// Whether the chunk is to be closed.
    pub(in crate::format) fn is_full(&self) -> bool {
        self.count >= COLUMNS_EVENTS
            || self.digests.len() + self.others.len() + self.blocks.extents.len() >= COLUMNS_BYTES
    }

    /// About how many bytes were gathered, before they are packed.
    pub(in crate::format) fn len(&self) -> usize {
        8 * self.count as usize + self.digests.len() + self.others.len() + self.blocks.extents.len()
    }

    /// Time of the first event; `None` without one.
    pub(in crate::format) fn time_first(&self) -> Option<u64> {
        (self.count > 0).then_some(self.time_first)
    }

    /// Takes what was gathered and begins the next chunk.
    pub(in crate::format) fn take(&mut self) -> Rows {
        let gathered = mem::take(self);
        let (count, time_first, time_last) = (gathered.count, gathered.time_first, gathered.time);
        Rows { body: gathered.body(), count, time_first, time_last }
    }

    /// Counts an event; gives the time since the one before.
    fn step(&mut self, time: u64) -> u64 {
        if self.count == 0 {
            (self.time_first, self.time) = (time, time);
        }
        self.count += 1;
        let delta = time.checked_sub(self.time).expect("the writer keeps times in order");
        self.time = time;
        delta
    }

    fn issue(&mut self, delta: u64, issue: &Issue) {
        let operation = issue.request.operation as u8;
        let early = if issue.early == Nanos(0) { 0 } else { shape::EARLY };
        self.issues.shapes.push(u64::from(operation | payload_bits(&issue.payload) | early));
        self.issues.add(delta, self.time, issue);
        self.payload(&issue.payload);
    }

    fn block(&mut self, delta: u64, block: &Block) {
        let issue = self.issues.join.find(block.id.0);
        let shape = block.operation as u8
            | payload_bits(&block.payload)
            | if block.result.is_err() { shape::FAILED } else { 0 }
            | if block.extents.is_empty() { 0 } else { shape::EXTENTS };
        let shapes = &self.issues.shapes;
        let operation = issue.map_or(0, |at| shapes[at].to_le_bytes()[0] & shape::OPERATION);
        let expected = self.blocks.shape_before[usize::from(operation)];
        self.blocks.shapes.push(u64::from(shape ^ expected));
        self.blocks.shape_before[block.operation as usize] = shape;
        let device = issue.map_or(0, |at| self.issues.devices[at]);
        self.blocks.devices.push(u64::from(block.device.0 ^ device));
        let since = issue.map(|at| self.time.wrapping_sub(self.issues.times[at]));
        self.blocks.add(delta, since, block);
        self.payload(&block.payload);
    }

    fn payload(&mut self, payload: &Payload) {
        if let Payload::Digest(digest) | Payload::Stored(digest, _) = payload {
            self.digests.extend(digest.0.to_le_bytes());
        }
        if let Payload::Stored(_, id) = payload {
            self.payload_ids.push(zigzag(id.0.wrapping_sub(self.payload_next)));
            self.payload_next = id.0.wrapping_add(1);
        }
    }

    fn body(mut self) -> Vec<u8> {
        let mut layer = Layer::default();
        let plain = Relative::Plain;
        layer.put(Column::Runs, Layout::Dense, plain, &self.runs.take());
        self.issues.lay(&mut layer);
        put_best(&mut layer, Column::CheckpointTime, plain, &self.checkpoints.deltas);
        put_best(&mut layer, Column::CheckpointWhich, plain, &self.checkpoints.which);
        self.blocks.lay(&mut layer);
        put_best(&mut layer, Column::PayloadId, plain, &self.payload_ids);
        layer.put(Column::Routes, Layout::Dense, plain, &self.issues.route_list);
        layer.put(Column::Extents, Layout::Dense, plain, &self.blocks.extents);
        layer.put(Column::Others, Layout::Dense, plain, &self.others);
        layer.put(Column::Digests, Layout::Dense, plain, &self.digests);
        put_best(&mut layer, Column::IssueEarly, plain, &self.issues.earlies);
        layer.finish()
    }
}

impl Issues {
    fn add(&mut self, delta: u64, time: u64, issue: &Issue) {
        self.join.push(issue.id.0);
        self.deltas.push(delta);
        self.times.push(time);
        self.devices.push(issue.device.0);
        self.ids.push(zigzag(issue.id.0.wrapping_sub(self.id_next)));
        self.id_next = issue.id.0.wrapping_add(1);
        self.flags.push(u64::from(issue.request.flags.bits()));
        let route = (issue.device.0, issue.connection.0);
        let next = self.route_places.len() as u64;
        let place = *self.route_places.entry(route).or_insert(next);
        if place == next {
            put(&mut self.route_list, u64::from(route.0));
            put(&mut self.route_list, u64::from(route.1));
        }
        self.routes.push(place);
        self.cookies.push(issue.cookie);
        self.offsets.push(issue.request.range.offset);
        self.lengths.push(issue.request.range.length);
        self.earlies.extend((issue.early != Nanos(0)).then_some(issue.early.0));
    }

    fn lay(&self, layer: &mut Layer) {
        let plain = Relative::Plain;
        put_best(layer, Column::IssueTime, plain, &self.deltas);
        put_best(layer, Column::IssueId, plain, &self.ids);
        put_best(layer, Column::IssueShape, plain, &self.shapes);
        put_best(layer, Column::IssueFlags, plain, &self.flags);
        put_best(layer, Column::IssueRoute, plain, &self.routes);
        let cookies = Relative::ALL.map(|relative| (relative, self.cookies_by(relative)));
        put_best_of(layer, Column::IssueCookie, &cookies);
        let offsets = Relative::ALL.map(|relative| (relative, self.offsets_by(relative)));
        put_best_of(layer, Column::IssueOffset, &offsets);
        put_best(layer, Column::IssueLength, plain, &self.lengths);
    }

    fn cookies_by(&self, relative: Relative) -> Vec<u64> {
        match relative {
            Relative::Plain => self.cookies.clone(),
            Relative::Before => self.ways(&self.cookies, |_| 0, |place| self.cookies[place]),
            Relative::Route => self.ways(
                &self.cookies,
                |place| self.routes[place],
                |place| self.cookies[place].wrapping_add(1),
            ),
        }
    }

    fn offsets_by(&self, relative: Relative) -> Vec<u64> {
        let end = |place: usize| self.offsets[place].wrapping_add(self.lengths[place]);
        match relative {
            Relative::Plain => self.offsets.clone(),
            Relative::Before => self.ways(&self.offsets, |_| 0, end),
            Relative::Route => self.ways(&self.offsets, |place| self.routes[place], end),
        }
    }

    /// The way to each number from what the one before of the same group suggests; 0 suggests nothing.
    fn ways(
        &self,
        numbers: &[u64],
        group: impl Fn(usize) -> u64,
        suggests: impl Fn(usize) -> u64,
    ) -> Vec<u64> {
        let mut expected = vec![0; self.route_places.len()];
        let numbers = numbers.iter().enumerate();
        let ways = numbers.map(|(place, number)| {
            let group = usize::try_from(group(place)).expect("there are fewer routes than events");
            let way = zigzag(number.wrapping_sub(expected[group]));
            expected[group] = suggests(place);
            way
        });
        ways.collect()
    }
}

impl Checkpoints {
    fn add(&mut self, delta: u64, which: Checkpoint) {
        self.deltas.push(delta);
        self.which.push(which as u64);
    }
}

impl Blocks {
    /// Takes a block; `since` is the time since its issue, if that is in the chunk.
    fn add(&mut self, delta: u64, since: Option<u64>, block: &Block) {
        self.deltas.push(delta);
        self.ids.push(zigzag(block.id.0.wrapping_sub(self.id_next)));
        self.id_next = block.id.0.wrapping_add(1);
        self.flags.push(u64::from(
            if block.flags.undelivered { completion::UNDELIVERED } else { 0 }
                | if block.flags.refused { completion::REFUSED } else { 0 },
        ));
        self.holds.push(zigzag(block.hold.0.wrapping_sub(self.hold_before)));
        self.hold_before = block.hold.0;
        let expected = since.map_or(0, |since| since.wrapping_sub(block.hold.0));
        self.latencies.push(zigzag(block.latency.0.wrapping_sub(expected)));
        if let Err(errno) = block.result {
            self.errnos.push(u64::from(errno.0));
        }
        if !block.extents.is_empty() {
            put_extents(&mut self.extents, &block.extents);
        }
    }

    fn lay(&self, layer: &mut Layer) {
        let plain = Relative::Plain;
        put_best(layer, Column::BlockTime, plain, &self.deltas);
        put_best(layer, Column::BlockId, plain, &self.ids);
        put_best(layer, Column::BlockShape, plain, &self.shapes);
        put_best(layer, Column::BlockFlags, plain, &self.flags);
        put_best(layer, Column::BlockDevice, plain, &self.devices);
        put_best(layer, Column::BlockHold, plain, &self.holds);
        put_best(layer, Column::BlockLatency, plain, &self.latencies);
        put_best(layer, Column::BlockErrno, plain, &self.errnos);
    }
}

fn put_extents(bytes: &mut Vec<u8>, extents: &[Extent]) {
    put(bytes, extents.len() as u64);
    for one in extents {
        put(bytes, one.length);
        bytes.push(
            if one.hole { extent::HOLE } else { 0 } | if one.zero { extent::ZERO } else { 0 },
        );
    }
}

fn payload_bits(of: &Payload) -> u8 {
    let known = match of {
        Payload::Absent => payload::ABSENT,
        Payload::Zeroes => payload::ZEROES,
        Payload::Digest(_) => payload::DIGEST,
        Payload::Stored(..) => payload::STORED,
    };
    known << shape::PAYLOAD_SHIFT
}

/// Puts `numbers` in the layout that packs best.
fn put_best(layer: &mut Layer, column: Column, relative: Relative, numbers: &[u64]) {
    let (layout, bytes, _) = best_layout(numbers);
    layer.put(column, layout, relative, &bytes);
}

/// Puts the list, of several that say the same, that packs best.
fn put_best_of(layer: &mut Layer, column: Column, lists: &[(Relative, Vec<u64>)]) {
    let tried = lists.iter().map(|(relative, numbers)| (*relative, best_layout(numbers)));
    if let Some((relative, (layout, bytes, _))) = tried.min_by_key(|(_, (.., cost))| *cost) {
        layer.put(column, layout, relative, &bytes);
    }
}

/// The layout in which `numbers` pack best, its bytes, and how many are left of them.
fn best_layout(numbers: &[u64]) -> (Layout, Vec<u8>, usize) {
    let dense = planes::dense(numbers);
    let dense_cost = cost(&dense);
    let zeroes = numbers.iter().filter(|number| **number == 0).count();
    if dense.is_empty() || zeroes < numbers.len() / ZEROES_ONE_IN {
        return (Layout::Dense, dense, dense_cost);
    }
    let sparse = planes::sparse(numbers);
    let sparse_cost = cost(&sparse);
    if sparse_cost < dense_cost {
        (Layout::Sparse, sparse, sparse_cost)
    } else {
        (Layout::Dense, dense, dense_cost)
    }
}

fn cost(bytes: &[u8]) -> usize {
    let packed = zstd::bulk::compress(bytes, TRIAL_LEVEL).map_or(bytes.len(), |bytes| bytes.len());
    packed.min(bytes.len())
}
