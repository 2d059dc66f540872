//! Compares a base with the trace that is looked at, on threads of its own.
//!
//! ```text
//! Comparison::open ── two sides ──┬── finder: an alignment, what it finds every 200 ms
//!   (who can open them)           └── server: rows, bytes and rules that the screen asks for
//! ```
//!
//! Knows no screen, and not by which rules: who opens the sides does. Invariants: memory is bounded by [`MOST`] differences; a
//! comparison ends soon after nobody wants it any more; trouble is never a difference.

mod explain;
mod finder;
mod found;
mod rows;
mod stoppable;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use blkreplay_core::diff::{Difference, Learned, Outcome as _, Rule, Side, Until};

pub use explain::{Explained, HexLine};
pub use found::{Found, Section};
pub use rows::{Paired, STEP, Stretch};
pub use stoppable::Stoppable;

/// Differences that are kept; more are only counted.
pub const MOST: usize = 10_000;

/// Two sides that are compared.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// What is compared with.
    pub base: &'a dyn Side,
    /// What is compared.
    pub new: &'a dyn Side,
    /// By which rule.
    pub rule: &'a Rule,
    /// How far.
    pub until: &'a Until,
    /// Makes files to work in.
    pub scratch: fn() -> io::Result<File>,
    /// What is told of both before they are compared.
    pub told: &'a Terms,
}

/// What is told of two sides before they are compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// By what they are compared, in words.
    pub rule: String,
    /// Names of the devices, by their numbers on the base side.
    pub devices: Vec<String>,
    /// How many requests base and new have.
    pub requests: [Option<u64>; 2],
    /// How many requests of base and of new rules leave out.
    pub left_out: [u64; 2],
    /// What is to be said of the comparison.
    pub warnings: Vec<String>,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trouble {
    /// What is wrong.
    pub message: String,
    /// What to try.
    pub hints: Vec<String>,
}

/// Whether somebody still waits.
pub type Wanted<'a> = &'a (dyn Fn() -> bool + Sync);

/// A comparison of a base with the trace that is looked at: what the inspector cannot do by itself.
pub trait Comparison: Send + Sync {
    /// What the base is called.
    fn base(&self) -> String;

    /// Opens both sides and hands them to `with`; gives up soon after nobody wants them.
    fn open(&self, wanted: Wanted<'_>, with: &mut dyn FnMut(&Sides<'_>)) -> Result<(), Trouble>;

    /// What an error of the comparison means.
    fn trouble(&self, error: blkreplay_core::diff::DiffError) -> Trouble;

    /// The rules that ignore what was learned, as they would be written; `None` if there are none.
    fn rules(
        &self,
        learned: &Learned,
        devices: &[String],
        reason: &str,
    ) -> Result<Option<String>, Trouble>;

    /// The file that rules are added to.
    fn rules_file(&self) -> String;

    /// Adds rules to that file.
    fn ignore(&self, rules: &str) -> Result<(), Trouble>;

    /// Makes of the trace the base of now on.
    fn bless(&self) -> Result<(), Trouble>;
}

/// Something that is asked of both sides.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Rows of a stretch where both are the same.
    Rows(Stretch),
    /// All that is known of the difference of this number.
    Explain(usize, Box<Difference>),
    /// The rules that would ignore it.
    Learn(usize, Box<Difference>),
}

/// Something that changes a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// To ignore what was learned, for a reason.
    Ignore(Box<Proposed>, String),
    /// To make of the trace the base.
    Bless,
}

/// Rules that would ignore a difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// What they are made from.
    pub learned: Learned,
    /// Names of the devices.
    pub devices: Vec<String>,
    /// The rules, without a reason yet.
    pub text: String,
}

/// A reason that is still to be found, as `blkreplay.toml` has it.
const NO_REASON: &str = "?";

/// What is told.
#[derive(Debug)]
pub enum Told {
    /// The sides were opened.
    Opened(Terms),
    /// What was found since the last.
    Found(Found),
    /// All was compared.
    Done,
    /// It could not go on.
    Trouble(Trouble),
    /// Rows of the stretch of this section, as it was unfolded then; whether they are the last.
    Rows(usize, u64, Result<(Vec<Paired>, bool), Trouble>),
    /// What is known of a difference.
    Explained(usize, Result<Explained, Trouble>),
    /// What would ignore a difference; `None` if nothing is proposed.
    Learned(usize, Result<Option<Box<Proposed>>, Trouble>),
    /// How it went to add rules.
    Ignored(Result<(), Trouble>),
    /// How it went to make of the trace the base.
    Blessed(Result<(), Trouble>),
}

/// Begins to compare; what is told has this number, and `tell` says whether anybody still looks. It is compared for as long as
/// `comparing` has the number, and what is asked is answered until the sender is gone.
pub(crate) fn start(
    number: u64,
    comparison: Arc<dyn Comparison>,
    comparing: Arc<AtomicU64>,
    tell: impl Fn(Told) -> bool + Send + Sync + 'static,
) -> Sender<Ask> {
    let (sender, asks) = channel();
    thread::spawn(move || {
        let is_wanted = || comparing.load(Ordering::Relaxed) == number;
        let opening = AtomicBool::new(true);
        // Once they are open, rows are asked for whether it is compared or not.
        let to_open = || !opening.load(Ordering::Relaxed) || is_wanted();
        let opened = comparison.open(&to_open, &mut |sides| {
            opening.store(false, Ordering::Relaxed);
            serve(sides, &*comparison, &asks, &is_wanted, &tell);
        });
        if let Err(trouble) = opened
            && is_wanted()
        {
            tell(Told::Trouble(trouble));
        }
    });
    sender
}

/// Changes a file, on a thread of its own.
pub(crate) fn change(
    change: Change,
    comparison: Arc<dyn Comparison>,
    tell: impl Fn(Told) -> bool + Send + 'static,
) {
    thread::spawn(move || {
        tell(match change {
            Change::Ignore(proposed, reason) => {
                Told::Ignored(ignore(&*comparison, &proposed, reason.trim()))
            }
            Change::Bless => Told::Blessed(comparison.bless()),
        })
    });
}

fn serve(
    sides: &Sides<'_>,
    comparison: &dyn Comparison,
    asks: &Receiver<Ask>,
    is_wanted: &(dyn Fn() -> bool + Sync),
    tell: &(dyn Fn(Told) -> bool + Sync),
) {
    if !tell(Told::Opened(sides.told.clone())) {
        return;
    }
    thread::scope(|scope| {
        scope.spawn(|| finder::find(sides, comparison, is_wanted, tell));
        while let Ok(first) = asks.recv() {
            let waiting: Vec<Ask> = std::iter::once(first).chain(asks.try_iter()).collect();
            for (place, ask) in waiting.iter().enumerate() {
                let explains = |ask: &Ask| matches!(ask, Ask::Explain(..));
                // Who went on does not look at the one before any more.
                let is_old = explains(ask) && waiting[place + 1..].iter().any(explains);
                if !is_old && !tell(answer(sides, comparison, ask)) {
                    return;
                }
            }
        }
    });
}

fn answer(sides: &Sides<'_>, comparison: &dyn Comparison, ask: &Ask) -> Told {
    let trouble = |error| comparison.trouble(error);
    match ask {
        Ask::Rows(stretch) => {
            let rows = rows::read(sides, stretch).map_err(trouble);
            Told::Rows(stretch.section, stretch.unfolding, rows)
        }
        Ask::Explain(number, difference) => {
            Told::Explained(*number, explain::explain(sides, difference).map_err(trouble))
        }
        Ask::Learn(number, difference) => {
            let mut learner = blkreplay_core::diff::Learner::new(sides.base, sides.new);
            let _ = learner.difference((**difference).clone());
            let rules = learner.finish().map_err(trouble);
            Told::Learned(*number, rules.and_then(|rules| propose(sides, comparison, rules)))
        }
    }
}

fn propose(
    sides: &Sides<'_>,
    comparison: &dyn Comparison,
    learned: Learned,
) -> Result<Option<Box<Proposed>>, Trouble> {
    if learned.overflow {
        let message = "it differs at more places than rules are proposed for".to_owned();
        return Err(Trouble { message, hints: Vec::new() });
    }
    let devices = sides.told.devices.clone();
    let text = comparison.rules(&learned, &devices, NO_REASON)?;
    Ok(text.map(|text| Box::new(Proposed { learned, devices, text })))
}

fn ignore(comparison: &dyn Comparison, proposed: &Proposed, reason: &str) -> Result<(), Trouble> {
    let reason = if reason.is_empty() { NO_REASON } else { reason };
    match comparison.rules(&proposed.learned, &proposed.devices, reason)? {
        Some(rules) => comparison.ignore(&rules),
        None => Ok(()),
    }
}
