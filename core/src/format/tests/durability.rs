//! Tests of the promise about a kill: at every moment, what has not reached the output is young and little.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;

/// What a process that is killed leaves: whatever was handed to the output.
#[derive(Clone, Default)]
struct Disk(Rc<RefCell<Vec<u8>>>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The next number out of a seed.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// A request to write, with up to 2 MiB of data that are like no other.
fn any_write(state: &mut u64, time: u64, id: u64) -> Entry {
    let length = match next(state) % 8 {
        0 => next(state) % (2 << 20),
        1..=4 => next(state) % 4096,
        _ => return plain(time, block(id, Operation::Write)),
    };
    let mut data = vec![1; usize::try_from(length).unwrap() + 8];
    data[..8].copy_from_slice(&id.to_le_bytes());
    data[8..].fill(u8::try_from(next(state) % 255).unwrap() + 1);
    write(time, id, &data)
}

#[test]
fn a_kill_at_any_moment_costs_little_on_the_clock_that_is_passed_in() {
    let (mut by_age, mut by_size) = (0, 0);
    for seed in 0..12 {
        let disk = Disk::default();
        let mut writer = Writer::create(disk.clone(), &header(), SALT, UUID).unwrap();
        let (mut state, mut now) = (seed, 0);
        let mut entries: Vec<Entry> = Vec::new();
        for _ in 0..60 {
            // Busy seeds fill chunks before they are old.
            let pause = if seed % 2 == 0 { 90_000_000 } else { 3_000_000 };
            now += next(&mut state) % pause;
            for _ in 0..next(&mut state) % 5 {
                let entry = any_write(&mut state, now, entries.len() as u64);
                writer.append(entry.clone()).unwrap();
                entries.push(entry);
            }
            let before = writer.written().chunks;
            writer.tick(Nanos(now)).unwrap();
            by_age += writer.written().chunks - before;
            by_size += before;
            check_moment(&disk, &writer, &entries, now);
        }
    }
    assert!(by_age > 0 && by_size > 0, "chunks closed for both reasons");
}

/// Asserts that what a kill would cost now is within the promise.
fn check_moment(disk: &Disk, writer: &Writer<Disk>, entries: &[Entry], now: u64) {
    let written = usize::try_from(writer.written().events).unwrap();
    let lost = &entries[written..];
    for entry in lost {
        assert!(
            now - entry.event.time.0 < CHUNK_AGE_NS,
            "an event of {} at {now}",
            entry.event.time
        );
    }
    let data: usize = lost.iter().filter_map(|entry| entry.data.as_ref()).map(Bytes::len).sum();
    assert!(data < PAYLOAD_CHUNK_BYTES, "{data} bytes of data");
    assert!(writer.gathered() < (EVENTS_CHUNK_BYTES + PAYLOAD_CHUNK_BYTES) as u64);
    assert_eq!(writer.written().bytes, disk.0.borrow().len() as u64, "whole chunks");
}

#[test]
fn what_a_kill_leaves_is_every_whole_chunk_with_its_data() {
    let disk = Disk::default();
    let mut writer = Writer::create(disk.clone(), &header(), SALT, UUID).unwrap();
    let mut entries: Vec<Entry> = Vec::new();
    let mut state = 7;
    for step in 0..40 {
        let entry = any_write(&mut state, step * 60_000_000, step);
        writer.append(entry.clone()).unwrap();
        entries.push(entry);
        writer.tick(Nanos(step * 60_000_000)).unwrap();
        let left = read(&disk.0.borrow()).unwrap();
        assert!(matches!(left.loss, Some(Loss { kind: LossKind::NoEnd, .. })));
        assert_eq!(left.events.len() as u64, writer.written().events);
        check_prefix(&left, &entries);
        let with_data = entries[..left.events.len()].iter().filter(|entry| entry.data.is_some());
        assert_eq!(left.data.len(), with_data.count());
    }
}
