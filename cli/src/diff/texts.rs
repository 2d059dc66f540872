//! Canonical text as one side of a pair, or as both. Paths in, a report out.
//!
//! Invariant: a text is compared only by what its lines say: what asks for more is trouble.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use blkreplay_core::diff::canonical::FIRST_LINE;
use blkreplay_core::diff::{
    self, Align, Barrier, DiffError, Fact, Pairing, Report, RowSource, Rule, Side, TextSide,
    TraceSide, Until, Which,
};

use super::pair::{Asked, Work, describe, opener, survey, under_rules};
use super::settle::Settled;
use super::{ruled, trouble, whole};
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::output::diff::{Pair, SideTold};
use crate::trace::Damage;

/// A side, and its rows.
type Opened = (Box<dyn Side>, Box<dyn RowSource>);

/// Whether canonical text is at a path.
pub(super) fn is_text(path: &Path) -> Result<bool, Failure> {
    let mut begin = Vec::new();
    let read = Input::open(path)?.take(FIRST_LINE.len() as u64).read_to_end(&mut begin);
    // What cannot be read is opened again, and that says why.
    Ok(read.is_ok() && begin == FIRST_LINE.as_bytes())
}

fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, Box<dyn Error + Send + Sync>> {
    let input = Input::open(path).map_err(|failure| failure.to_string())?;
    Ok(Box::new(BufReader::new(input)))
}

fn text_side(path: &Path, which: Which, devices: &[String], pairing: &Pairing) -> TextSide {
    let path = path.to_owned();
    TextSide::new(move || open(&path), which, devices, pairing)
}

/// The rows of a text.
pub(super) fn rows(path: &Path) -> Result<Box<dyn RowSource>, DiffError> {
    let devices = diff::survey_text(open(path).map_err(DiffError::Again)?)?.devices;
    let pairing = Pairing::by_names(&devices, &devices);
    Ok(Box::new(text_side(path, Which::Base, &devices, &pairing)))
}

/// Compares two paths, at one of which at least a text is.
pub(super) fn compare(
    paths: [&Path; 2],
    are_texts: [bool; 2],
    asked: &Asked,
    settled: &Settled,
    pair: &mut Pair,
    work: &mut Work<'_>,
) -> Result<Report, Failure> {
    refuse_order(&settled.rule)?;
    let look = |which: Which, told: &mut SideTold| {
        if which.of(are_texts) {
            return look_at_text(paths, which, &settled.rule, told);
        }
        let path = which.of(paths);
        let survey = survey(path)?;
        describe(&survey, told);
        whole::refuse_beside_text(&survey, path, &settled.rule, asked.damage)?;
        Ok(survey.header.devices.iter().map(|device| device.name.clone()).collect())
    };
    let devices: [Vec<String>; 2] =
        [look(Which::Base, &mut pair.base)?, look(Which::New, &mut pair.new)?];
    let pairing = Pairing::by_names(&devices[0], &devices[1]);
    // A text of one device does not name it.
    let telling = devices.iter().find(|names| names.iter().any(|name| !name.is_empty()));
    pair.devices.clone_from(telling.unwrap_or(&devices[0]));
    let side = |which: Which| -> Result<Opened, Failure> {
        let path = which.of(paths);
        if which.of(are_texts) {
            let names = which.of([&devices[0], &devices[1]]);
            let side = || Box::new(text_side(path, which, names, &pairing));
            return Ok((side(), side()));
        }
        let side = TraceSide::new(opener(path.to_owned()), which, &pairing);
        let rows = ruled::rows(path, Damage::Refused)
            .map_err(|error| trouble::of_comparison(error.of(which), paths))?;
        Ok((Box::new(side), rows))
    };
    let ((base, base_rows), (new, new_rows)) = (side(Which::Base)?, side(Which::New)?);
    let rows = [base_rows.as_ref(), new_rows.as_ref()];
    under_rules(
        paths,
        ([base.as_ref(), new.as_ref()], &Until::End),
        rows,
        asked,
        settled,
        pair,
        work,
    )
}

/// Refuses an alignment that asks for more than lines say.
pub(super) fn refuse_order(rule: &Rule) -> Result<(), Failure> {
    let lacks = match (rule.align, rule.barrier) {
        (Align::Order | Align::Conflict, _) => "the order in an epoch",
        (Align::State, _) => "the data that were written",
        (_, Barrier::FlushFua | Barrier::None) => "epochs but those that end with a flush",
        (Align::Epoch | Align::Key, Barrier::Flush) => return Ok(()),
    };
    Err(Failure::new(format!("canonical text does not have {lacks}"))
        .coded("text")
        .hint("compare two traces, or take --align epoch or --align key and --barrier flush"))
}

/// Looks at a text: its devices come out, and what is told of it goes into `told`.
fn look_at_text(
    paths: [&Path; 2],
    which: Which,
    rule: &Rule,
    told: &mut SideTold,
) -> Result<Vec<String>, Failure> {
    let path = which.of(paths);
    told.is_text = true;
    let opened = open(path).map_err(|error| {
        Failure::because(format!("cannot read {}", input::name(path).display()), error)
    })?;
    let survey = diff::survey_text(opened)
        .map_err(|error| trouble::of_comparison(DiffError::Text(error).of(which), paths))?;
    told.requests = Some(survey.requests);
    told.complete = Some(true);
    if let Some(line) = survey.without_payload
        && rule.facts.has(Fact::Payload)
    {
        let name = input::name(path).display().to_string();
        let what = format!("{name} says nothing of what was read and written, as in line {line}");
        return Err(Failure::new(what)
            .coded("no-payloads")
            .hint("--ignore payload  compares all but that"));
    }
    Ok(survey.devices)
}
