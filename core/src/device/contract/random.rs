//! Random sequences of operations, done to an image and to a memory image alike.
//!
//! A failure prints the smallest sequence that fails, and the seed.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{FREELY, SIZE, Subject, check_status, pattern, read};
use crate::device::{Durable, Memory, Zeroing};
use crate::units::ByteRange;

/// An operation of a random sequence.
#[derive(Debug, Clone)]
enum Step {
    Write(ByteRange, u64),
    Zero(ByteRange, bool),
    Discard(ByteRange),
    Flush,
    Read(ByteRange),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let range = (0..SIZE, prop_oneof![1..600_u64, 1..70_000_u64, 1..SIZE])
        .prop_map(|(offset, length)| ByteRange::new(offset, length.min(SIZE - offset)));
    let step = prop_oneof![
        4 => (range.clone(), any::<u64>()).prop_map(|(range, seed)| Step::Write(range, seed % 97)),
        2 => (range.clone(), any::<bool>()).prop_map(|(range, keep)| Step::Zero(range, keep)),
        2 => range.clone().prop_map(Step::Discard),
        1 => Just(Step::Flush),
        2 => range.prop_map(Step::Read),
    ];
    prop::collection::vec(step, 1..30)
}

pub(crate) fn random_operations_agree_with_memory(subject: fn(u64) -> Option<Subject>) {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        let Some((_directory, image)) = subject(SIZE) else { return Ok(()) };
        let oracle = Memory::new(SIZE as usize);
        for step in &steps {
            for image in [&*image, &oracle] {
                match *step {
                    Step::Write(range, seed) => {
                        let data = pattern(seed, range.length);
                        image.write(range.offset, &data, Durable::Later).unwrap();
                    }
                    Step::Zero(range, keep_allocated) => {
                        image.write_zeroes(range, Zeroing { keep_allocated, ..FREELY }).unwrap();
                    }
                    Step::Discard(range) => image.discard(range, Durable::Later).unwrap(),
                    Step::Flush => image.flush().unwrap(),
                    Step::Read(_) => {}
                }
            }
            if let Step::Read(range) = *step {
                let expected = read(&oracle, range.offset, range.length);
                prop_assert!(read(&*image, range.offset, range.length) == expected, "{range}");
                check_status(&*image, range, &expected);
            }
        }
        prop_assert!(read(&*image, 0, SIZE) == read(&oracle, 0, SIZE), "the whole, at the end");
        Ok(())
    });
    outcome.unwrap();
}
