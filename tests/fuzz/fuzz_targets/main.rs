//! Everything that takes bytes from outside, under libFuzzer. `BLKREPLAY_FUZZ_TARGET` names the target; what
//! libFuzzer is told stands on its command line. `run.sh` knows both.
//!
//! A new target is one line of [`TARGETS`]. Invariants: an input that panics, overflows, hangs or takes more
//! memory than its target allows is a finding; traces are changed and then mended, so that changes get past the
//! checksums.

#![no_main]

mod clients;
mod layouts;
mod memory;
mod mend;
mod qemu;
mod rescue;
mod rules;
mod search;
mod traces;

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use blkreplay_core::limits::CHUNK_BODY_BYTES_MAX;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mend::{Mend, mend};

#[global_allocator]
static MEMORY: memory::Counted = memory::Counted;

/// A stored body, the same unpacked, its payloads with their table, and what else a reader keeps.
const TRACE_BYTES: usize = 5 * CHUNK_BODY_BYTES_MAX;

/// A connection holds what was sent, and answers of at most a megabyte at once.
const PEER_BYTES: usize = 8 << 20;

/// Eight regular expressions, each with what it takes while it is compiled.
const FILTER_BYTES: usize = 64 << 20;

/// What is fuzzed.
struct Target {
    name: &'static str,
    run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
    /// Inputs are traces.
    mends: bool,
    /// The most that one input may allocate, in bytes.
    bytes_max: usize,
}

impl Target {
    /// The same, and one input may allocate so many bytes.
    const fn taking(self, bytes_max: usize) -> Target {
        Target { bytes_max, ..self }
    }
}

/// A target whose inputs are traces.
const fn trace(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds, mends: true, bytes_max: TRACE_BYTES }
}

/// A target whose inputs are what a peer or a person says.
const fn peer(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds, mends: false, bytes_max: PEER_BYTES }
}

const TARGETS: &[Target] = &[
    trace("header", traces::header, traces::header_seeds),
    trace("read", traces::read, traces::seeds),
    trace("survey", traces::survey, traces::seeds),
    trace("payloads", traces::payloads, traces::seeds),
    trace("seek", traces::seek, traces::seeds),
    trace("rows", traces::rows, traces::seeds),
    trace("columns", layouts::columns, traces::seeds),
    trace("rewrite", traces::rewrite, traces::seeds),
    trace("search", search::search, traces::seeds),
    trace("compact", layouts::compact, traces::seeds),
    trace("rescue", rescue::rescue, traces::seeds),
    peer("server", clients::server, clients::server_seeds),
    peer("requests", clients::requests, clients::request_seeds),
    peer("client", clients::client, clients::client_seeds),
    peer("qemu", qemu::log, qemu::log_seeds),
    peer("position", clients::position, clients::position_seeds),
    peer("filter", clients::filter, clients::filter_seeds).taking(FILTER_BYTES),
    peer("text", rules::text, rules::text_seeds),
    peer("mask", rules::mask, rules::mask_seeds),
    peer("budget", rules::budget, rules::budget_seeds).taking(FILTER_BYTES),
];

/// The target that the environment names.
fn target() -> &'static Target {
    static CHOSEN: OnceLock<&'static Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("BLKREPLAY_FUZZ_TARGET").unwrap_or_default();
        TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!("BLKREPLAY_FUZZ_TARGET must be one of: {}", names.join(" "));
            std::process::exit(2);
        })
    })
}

/// Before the first input: writes the seeds where `BLKREPLAY_FUZZ_SEEDS` says.
fn init() {
    if let Some(directory) = std::env::var_os("BLKREPLAY_FUZZ_SEEDS") {
        for (number, seed) in (target().seeds)().iter().enumerate() {
            let path = Path::new(&directory).join(format!("seed-{number}"));
            std::fs::write(path, seed).expect("the directory of the seeds is writable");
        }
    }
}

/// The most that any input allocated so far, in bytes.
static MOST: AtomicUsize = AtomicUsize::new(0);

fuzz_target!(init: init(), |data: &[u8]| {
    let target = target();
    let peak = memory::peak(|| (target.run)(data));
    assert!(peak <= target.bytes_max, "{peak} bytes were allocated; limit {}", target.bytes_max);
    if peak > MOST.fetch_max(peak, Relaxed) && peak > 1 << 20 {
        eprintln!("MEMORY {peak} bytes at once, of {}", target.bytes_max);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    let target = target();
    if target.mends {
        match seed % 8 {
            0 => {}
            1..4 => mend(&mut data[..size], Mend::Sums),
            _ => mend(&mut data[..size], Mend::All),
        }
    }
    size
});
