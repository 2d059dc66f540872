//! Two logs of QEMU that are compared, event by event, without what two runs do not share. Paths come in, what was found goes out.
//!
//! Invariant: a log that stops early is trouble, or is compared up to there if that was allowed.

use std::path::Path;

use blkreplay_core::diff::{self, Keep, Logged, Warning};
use blkreplay_core::qemu::{LogError, LogEvent, LogReader};
use blkreplay_core::view::Fold;

use super::pair::Asked;
use super::trouble::ALLOW_HINT;
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::output::diff::{LogsTold, Pair};
use crate::qemu_log;
use crate::trace::Damage;
use crate::words::{counted, shell_word};

/// Compares two logs.
pub(super) fn compare(
    paths: [&Path; 2],
    asked: &Asked,
    window: usize,
    pair: &mut Pair,
) -> Result<LogsTold, Failure> {
    let wholes = [whole(paths[0], asked)?, whole(paths[1], asked)?];
    let cut = wholes.iter().filter_map(|whole| whole.cut).min();
    pair.warnings.extend(wholes.iter().filter_map(|whole| whole.warning.clone()));
    if cut == Some(0) {
        return Err(Failure::new("no event is whole on both sides: nothing can be compared")
            .coded("truncated"));
    }
    if let Some(shown) = cut {
        let events = counted(shown, "event");
        let message = format!("only the first {events} of each side are compared");
        pair.warnings.push(Warning { code: "truncated", message, at: None });
    }
    pair.base.complete = Some(wholes[0].cut.is_none());
    pair.new.complete = Some(wholes[1].cut.is_none());
    [pair.base.events, pair.new.events] = [&wholes[0], &wholes[1]].map(|whole| Some(whole.events));
    let [mut base, mut new] =
        [Limited::open(paths[0], asked, cut)?, Limited::open(paths[1], asked, cut)?];
    let layouts = [base.log.layout(), new.log.layout()];
    let keep = Keep {
        differences: asked.keep.most.min(blkreplay_core::limits::DIFF_KEPT_MAX),
        context: asked.context,
        first_only: asked.keep.first_only,
    };
    let report = diff::compare_events(|| base.next(), || new.next(), window, keep)?;
    if report.same == 0 && report.differences.is_empty() {
        let message = "nothing was compared: there is no event on either side".to_owned();
        pair.warnings.push(Warning { code: "nothing-compared", message, at: None });
    }
    Ok(LogsTold { report, layouts })
}

/// What a first reading of a log tells.
struct Whole {
    /// How many events it has.
    events: u64,
    /// How many of them are compared, if it stops early.
    cut: Option<u64>,
    warning: Option<Warning>,
}

/// Reads a log to its end; one that stops early is refused unless that was allowed.
fn whole(path: &Path, asked: &Asked) -> Result<Whole, Failure> {
    let unreadable = |error| qemu_log::cannot_read(path, error);
    let mut log = asked.layout.reader(path, Input::open(path)?)?;
    let (mut fold, mut events, mut shown) = (Fold::default(), 0, 0);
    while let Some(LogEvent { event, .. }) = log.next_event().map_err(unreadable)? {
        events += 1;
        shown += u64::from(fold.push(&event).is_some());
    }
    let Some(stop) = log.stop_at().map_err(unreadable)? else {
        return Ok(Whole { events, cut: None, warning: None });
    };
    let name = input::name(path);
    let message = format!("{}: {stop}: {}", name.display(), stop.meaning());
    if !stop.is_loss() {
        let warning = Warning { code: "trailing", message, at: None };
        return Ok(Whole { events, cut: None, warning: Some(warning) });
    }
    if asked.damage == Damage::Refused {
        let word = if input::is_stdin(path) { "LOG".to_owned() } else { shell_word(path) };
        return Err(Failure::new(message)
            .coded("truncated")
            .hint(stop.hint().replace("LOG", &word))
            .hint(ALLOW_HINT));
    }
    let warning = Warning { code: "truncated", message, at: None };
    Ok(Whole { events, cut: Some(shown), warning: Some(warning) })
}

/// A log of which no more than so many events are compared.
struct Limited<'path> {
    path: &'path Path,
    log: LogReader<Input>,
    fold: Fold,
    left: Option<u64>,
}

impl<'path> Limited<'path> {
    fn open(path: &'path Path, asked: &Asked, left: Option<u64>) -> Result<Self, Failure> {
        let log = asked.layout.reader(path, Input::open(path)?)?;
        Ok(Limited { path, log, fold: Fold::default(), left })
    }

    fn next(&mut self) -> Result<Option<Logged>, Failure> {
        if self.left == Some(0) {
            return Ok(None);
        }
        let unreadable = |error: LogError| qemu_log::cannot_read(self.path, error);
        let Some(LogEvent { index, at, icount, event, .. }) =
            self.log.next_event().map_err(unreadable)?
        else {
            return Ok(None);
        };
        if let Some(left) = &mut self.left {
            *left -= u64::from(self.fold.push(&event).is_some());
        }
        Ok(Some(Logged { index, at, icount, event }))
    }
}
