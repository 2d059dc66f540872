//! Checks of an image behind a pool: what is submitted completes, once.
//!
//! Each takes a way to make an image and knows nothing else of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{SIZE, Subject, pattern, read};
use crate::device::{BlockDevice, Completion, Doorbell, Durable, Image, Pool, Queue, Submission};
use crate::request::{Flags, Operation, Request};
use crate::units::ByteRange;

/// A queue of a pool over the image, and its bell.
fn queue_over(image: Arc<dyn Image>) -> (Box<dyn Queue>, Arc<Doorbell>) {
    let doorbell = Arc::new(Doorbell::new().unwrap());
    let pool = Pool::new(image, 3);
    (pool.open_queue(Arc::clone(&doorbell)), doorbell)
}

fn submission(tag: u64, operation: Operation, range: ByteRange, flags: Flags) -> Submission {
    let data = if operation == Operation::Write { pattern(tag, range.length) } else { Vec::new() };
    Submission { tag, request: Request { operation, range, flags }, data: Bytes::from(data) }
}

/// Takes completions until nothing is in flight.
fn finish(queue: &mut dyn Queue, doorbell: &Doorbell) -> Vec<Completion> {
    let mut completions = Vec::new();
    queue.kick();
    loop {
        doorbell.clear();
        queue.poll(&mut completions);
        if queue.in_flight() == 0 {
            return completions;
        }
        doorbell.wait(Duration::from_mins(1));
    }
}

pub(super) fn every_submission_completes_once(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    let (mut queue, doorbell) = queue_over(Arc::clone(&image));
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
    completions.extend(finish(&mut *queue, &doorbell));
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
            assert!(read(&*image, completion.tag * 2048, 700) == written);
        }
    }
}

pub(super) fn dropping_a_queue_waits(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    for kicked in [true, false] {
        let (mut queue, _doorbell) = queue_over(Arc::clone(&image));
        for tag in 0..50 {
            let range = ByteRange::new(tag * 1000, 1000);
            queue.submit(submission(tag, Operation::Write, range, Flags::FUA));
        }
        if kicked {
            queue.kick();
        }
        drop(queue);
        for tag in 0..50 {
            assert_eq!(read(&*image, tag * 1000, 1000), pattern(tag, 1000));
        }
        image.discard(ByteRange::new(0, 50_000), Durable::Later).unwrap();
    }
}
