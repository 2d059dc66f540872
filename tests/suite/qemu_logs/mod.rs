//! Real logs of QEMU 5.2, 7.2, 10.0 and 11.1, whole and hurt, against what a decoder that shares nothing with ours
//! says of them.

/// What is wrong with real logs, and what becomes of them.
mod checking;
/// A recorder that is killed, and what becomes of its log.
mod killed;
/// Layouts as the commands find and take them, and names of keys.
mod layouts;
/// Layouts, counts, events and places, through the library.
mod oracles;
/// Pairs of runs, folded: the same ones, and where different ones part.
mod pairs;
/// The commands, on logs as they are.
mod reading;

use blkreplay_fixtures::bytes;

/// A log of the fixtures, unpacked.
#[track_caller]
pub(crate) fn log(name: &str) -> Vec<u8> {
    zstd::decode_all(&bytes(name)[..]).unwrap()
}

/// A log, and that log as somebody hurt it. The places are those of `qemu/logs/RESULTS.txt`.
fn hurt(case: &str) -> Vec<u8> {
    let mut log = log("qemu/logs/q100-boot_a.rr.zst");
    match case {
        "q100-trunc-boundary" => log.truncate(7645),
        "q100-flip-icount" => {
            assert_eq!(std::mem::replace(&mut log[4181], 98), 99);
        }
        // A byte of the value of a CLOCK_HOST; which bit of it is our choice.
        "q100-flip-clock" => log[8421] ^= 1,
        "q100-flip-cp" => {
            assert_eq!(std::mem::replace(&mut log[3666], 30), 31);
        }
        "q100-flip-version" => log[3] = 0x0d,
        "q100-trailing" => log.extend([7; 10]),
        _ => panic!("{case}"),
    }
    log
}
