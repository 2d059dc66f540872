//! What is refused before anything is compared. Paths and what was asked come in, failures go out.
//!
//! Invariant: what is refused is said with something to try.

use std::path::Path;

use blkreplay_core::diff::{Align, Scope};
use blkreplay_core::format::Survey;
use blkreplay_core::open::Found as Kind;

use super::pair::{Asked, survey};
use super::settle::Settled;
use super::{texts, whole};
use crate::failure::Failure;
use crate::input;

/// What is at two paths.
pub(super) fn kinds(paths: [&Path; 2], asked: &Asked) -> Result<[Kind; 2], Failure> {
    let kind = |path| asked.layout.look(path).map(|(_, kind)| kind);
    Ok([kind(paths[0])?, kind(paths[1])?])
}

/// One is a log and the other is none.
pub(super) fn unlike(paths: [&Path; 2], base: Kind) -> Failure {
    let (log, other) = if base == Kind::QemuLog { (0, 1) } else { (1, 0) };
    let name = |place: usize| input::name(paths[place]).display().to_string();
    let what = format!("{} is a QEMU log, and {} is not", name(log), name(other));
    Failure::new(format!("{what}: they have nothing to be compared by"))
        .coded("kinds")
        .hint("compare two traces, or two logs")
}

/// Refuses what cannot be compared, as far as that is known at once: by what they would be compared, in the inspector.
pub(crate) fn at_once(paths: [&Path; 2], asked: &Asked) -> Result<Settled, Failure> {
    let settled = asked.given.settle(paths[0], asked.today)?;
    inputs(paths, asked, &settled)?;
    if texts::is_text(paths[0])? {
        texts::refuse_order(&settled.rule)?;
        return Ok(settled);
    }
    match kinds(paths, asked)? {
        [Kind::Trace, Kind::Trace] => {
            let surveys = [survey(paths[0])?, survey(paths[1])?];
            parts(&surveys, paths, asked, &settled)?;
            Ok(settled)
        }
        [Kind::QemuLog, Kind::QemuLog] => {
            Err(Failure::new("the inspector compares no logs of QEMU")
                .coded("kinds")
                .hint("blkreplay diff BASE NEW  does"))
        }
        [base, _] => Err(unlike(paths, base)),
    }
}

/// Refuses traces of which not all is there that is to be compared.
pub(super) fn parts(
    surveys: &[Survey; 2],
    paths: [&Path; 2],
    asked: &Asked,
    settled: &Settled,
) -> Result<(), Failure> {
    let mut both = surveys.iter().zip(paths);
    both.try_for_each(|(survey, path)| whole::refuse(survey, path, &settled.rule, asked.damage))
}

/// Refuses standard input where it would be read twice, and runs that nobody would look at.
pub(super) fn inputs(paths: [&Path; 2], asked: &Asked, settled: &Settled) -> Result<(), Failure> {
    let runs = asked.runs.iter().flatten().filter(|run| input::is_stdin(run)).count();
    if runs > 1 || paths.iter().all(|path| input::is_stdin(path)) {
        return Err(Failure::new("standard input can be one side only, and `-` is given twice")
            .coded("usage"));
    }
    if asked.runs.iter().any(|runs| !runs.is_empty()) && settled.budgets.is_empty() {
        return Err(Failure::new("--runs is for budgets, and there is none")
            .coded("usage")
            .hint("--budget 'p99(lat) <= +10%'  or one in blkreplay.toml"));
    }
    Ok(())
}

/// Refuses what logs do not have. Rules of a file may be there for traces beside them; a budget that is not judged would be kept.
pub(super) fn for_logs(asked: &Asked, settled: &Settled) -> Result<(), Failure> {
    let given = &asked.given;
    let rules = [&given.ignore, &given.filters, &given.ignore_where, &given.masks, &given.presets];
    let asks = [
        (given.loose, "--loose"),
        (asked.learns, "--learn"),
        (!settled.budgets.is_empty(), "budget"),
        (rules.iter().any(|rules| !rules.is_empty()), "rule about requests"),
        (!matches!(given.align, None | Some(Align::Order)), "another alignment than order"),
        (given.barrier.is_some(), "--barrier"),
        (asked.keep.shown != Scope::All, "--epoch or --at"),
    ];
    let Some((_, what)) = asks.iter().find(|(asks, _)| *asks) else { return Ok(()) };
    let what = format!("there is no {what} for logs of QEMU, which have only events");
    let failure = Failure::new(what).coded("usage");
    let of_file = settled.budgets.iter().find_map(|budget| budget.at.as_ref());
    Err(of_file.into_iter().fold(failure, |failure, at| {
        failure.hint(format!("{at} has one: --config FILE  reads another file"))
    }))
}
