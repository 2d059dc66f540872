//! Seeds: a check that must hold for every one of them comes in; the first that fails is named.
//!
//! `SIMULATION_SEEDS` in the environment chooses others: `7` only that one, `0..1000000` all from the first
//! on, without the last. Knows nothing of what is checked. Invariant: a seed is run as it would be alone.

use std::any::Any;
use std::env;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Runs `check` for `seeds`, on all cores. A check fails by a panic or by what it returns. Where two checks take different
/// seeds, they see different worlds.
#[track_caller]
pub(super) fn for_seeds(seeds: Range<u64>, check: impl Fn(u64) -> Result<(), String> + Sync) {
    let seeds = match env::var("SIMULATION_SEEDS") {
        Ok(text) => {
            parse(&text).unwrap_or_else(|| panic!("SIMULATION_SEEDS={text}: want 7 or 0..9"))
        }
        Err(_) => seeds,
    };
    if let Err(why) = run(seeds, &check) {
        panic!("{why}");
    }
}

/// Runs `check` for some seeds. The error names the seed that failed, and how to run it again.
pub(super) fn run(
    seeds: Range<u64>,
    check: &(impl Fn(u64) -> Result<(), String> + Sync),
) -> Result<(), String> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return None;
            }
            if let Some(why) = failure(check, seed) {
                // The others need not go on.
                next.store(seeds.end, Ordering::Relaxed);
                return Some((seed, why));
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let failed = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().unwrap()).min()
    });
    let again = "cargo nextest run -p blkreplay simulation::";
    match failed {
        Some((seed, why)) => {
            Err(format!("seed {seed}: {why}\nrun it again: SIMULATION_SEEDS={seed} {again}"))
        }
        None => Ok(()),
    }
}

/// Why a check fails for a seed, if it does.
fn failure(check: &impl Fn(u64) -> Result<(), String>, seed: u64) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| check(seed))) {
        Ok(outcome) => outcome.err(),
        Err(panic) => Some(message(&*panic)),
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

fn parse(text: &str) -> Option<Range<u64>> {
    match text.split_once("..") {
        Some((first, end)) => Some(first.parse().ok()?..end.parse().ok()?),
        None => text.parse().ok().map(|seed: u64| seed..seed + 1),
    }
}

#[test]
fn seeds_are_one_or_a_range() {
    assert_eq!(parse("7"), Some(7..8));
    assert_eq!(parse("3..9"), Some(3..9));
    for text in ["", "x", "3..", "..9", "1..2..3", "-1"] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn a_seed_that_fails_is_named_with_the_command_that_repeats_it() {
    for fail in [|| Err("why".to_owned()), || panic!("why")] {
        let said = run(0..40, &|seed| if seed == 17 { fail() } else { Ok(()) }).unwrap_err();
        assert!(
            said.starts_with("seed 17: why\nrun it again: SIMULATION_SEEDS=17 cargo"),
            "{said}"
        );
    }
}
