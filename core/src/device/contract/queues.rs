//! Checks of a device: what is submitted completes, once.
//!
//! Each takes a way to make a device and knows nothing else of it.

use std::sync::Arc;

use bytes::Bytes;

use super::blocking::Step;
use super::{Attached, Blocking, SIZE, pattern, read};
use crate::device::{Completion, Doorbell, Durable, Image, Queue, Submission};
use crate::request::{Flags, Operation, Request};
use crate::units::ByteRange;

/// A queue of the device, and its bell.
fn open_queue(attached: &Attached) -> (Box<dyn Queue>, Arc<Doorbell>) {
    let doorbell = Arc::new(Doorbell::new().unwrap());
    (Arc::clone(&attached.device).open_queue(Arc::clone(&doorbell)), doorbell)
}

fn submission(tag: u64, operation: Operation, range: ByteRange, flags: Flags) -> Submission {
    let data = if operation == Operation::Write { pattern(tag, range.length) } else { Vec::new() };
    Submission { tag, request: Request { operation, range, flags }, data: Bytes::from(data) }
}

/// Takes completions until nothing is in flight.
fn finish(queue: &mut dyn Queue, doorbell: &Doorbell, step: &Step) -> Vec<Completion> {
    let mut completions = Vec::new();
    queue.kick();
    loop {
        doorbell.clear();
        queue.poll(&mut completions);
        if queue.in_flight() == 0 {
            return completions;
        }
        step(doorbell);
    }
}

pub(crate) fn every_submission_completes_once(subject: fn(u64) -> Option<Attached>) {
    let Some(attached) = subject(SIZE) else { return };
    let image = Blocking::new(&attached);
    let (mut queue, doorbell) = open_queue(&attached);
    let flags = [Flags::NONE, Flags::FUA];
    let count = 400;
    let mut completions = Vec::new();
    for tag in 0..count {
        let (operation, _) = Operation::NAMES[tag as usize % Operation::NAMES.len()];
        let flags = flags[tag as usize / 7 % 2];
        let range = match operation {
            Operation::Flush => ByteRange::default(),
            _ => ByteRange::new(tag * 2048, 700),
        };
        queue.submit(submission(tag, operation, range, flags));
        if tag % 16 == 0 {
            queue.kick();
        }
        queue.poll(&mut completions);
    }
    assert_eq!(queue.in_flight() + completions.len(), count as usize);
    completions.extend(finish(&mut *queue, &doorbell, &attached.step));
    let mut tags: Vec<u64> = completions.iter().map(|completion| completion.tag).collect();
    tags.sort_unstable();
    assert_eq!(tags, (0..count).collect::<Vec<_>>());
    for completion in completions {
        let (operation, _) = Operation::NAMES[completion.tag as usize % Operation::NAMES.len()];
        assert_eq!(completion.result, Ok(()), "{operation}");
        assert_eq!(completion.data.len(), if operation == Operation::Read { 700 } else { 0 });
        assert_eq!(completion.extents.is_empty(), operation != Operation::BlockStatus);
        if operation == Operation::Write {
            let written = pattern(completion.tag, 700);
            assert!(read(&image, completion.tag * 2048, 700) == written);
        }
    }
}

pub(crate) fn dropping_a_queue_waits(subject: fn(u64) -> Option<Attached>) {
    let Some(attached) = subject(SIZE) else { return };
    let image = Blocking::new(&attached);
    for kicked in [true, false] {
        let (mut queue, _doorbell) = open_queue(&attached);
        for tag in 0..50 {
            let range = ByteRange::new(tag * 1000, 1000);
            queue.submit(submission(tag, Operation::Write, range, Flags::FUA));
        }
        if kicked {
            queue.kick();
        }
        drop(queue);
        for tag in 0..50 {
            assert_eq!(read(&image, tag * 1000, 1000), pattern(tag, 1000));
        }
        image.discard(ByteRange::new(0, 50_000), Durable::Later).unwrap();
    }
}
