//! Canonical text as one side of a pair, or as both. Paths in, a report out.
//!
//! Invariant: a text is compared only by what its lines say: what asks for more is trouble.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use blkreplay_core::diff::canonical::FIRST_LINE;
use blkreplay_core::diff::{
    self, Align, Barrier, DiffError, Fact, Pairing, Report, RowSource, Side, TextSide, TraceSide,
    Until, Which,
};

use super::pair::{Asked, describe, judged, opener, sides, survey};
use super::settle::Settled;
use super::whole::refuse;
use super::{ruled, trouble};
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::output::diff::{Pair, SideTold};
use crate::printer::Printer;
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
    asked: &Asked,
    settled: &Settled,
    pair: &mut Pair,
    printer: &Printer,
) -> Result<Report, Failure> {
    refuse_order(asked)?;
    let wrong = |error| trouble::of_comparison(error, paths);
    let devices = [
        look(paths, Which::Base, asked, &mut pair.base)?,
        look(paths, Which::New, asked, &mut pair.new)?,
    ];
    let pairing = Pairing::by_names(&devices[0], &devices[1]);
    // A text of one device does not name it.
    let telling = devices.iter().find(|names| names.iter().any(|name| !name.is_empty()));
    pair.devices.clone_from(telling.unwrap_or(&devices[0]));
    let side = |which: Which| -> Result<Opened, Failure> {
        let place = usize::from(which == Which::New);
        let (path, names) = (paths[place], &devices[place]);
        if is_text(path)? {
            let side = || Box::new(text_side(path, which, names, &pairing));
            return Ok((side(), side()));
        }
        let side = TraceSide::new(opener(path.to_owned()), which, &pairing);
        let rows = ruled::rows(path, Damage::Refused).map_err(|error| wrong(error.of(which)))?;
        Ok((Box::new(side), rows))
    };
    let ((base, base_rows), (new, new_rows)) = (side(Which::Base)?, side(Which::New)?);
    let report = ruled::under(
        [base.as_ref(), new.as_ref()],
        [base_rows.as_ref(), new_rows.as_ref()],
        settled,
        pair,
        |base, new, pair| sides(base, new, &Until::End, asked, pair, printer),
    );
    let report = report.map_err(wrong)?;
    pair.budgets = judged(paths, asked, settled)?;
    Ok(report)
}

/// Refuses an alignment that asks for more than lines say.
fn refuse_order(asked: &Asked) -> Result<(), Failure> {
    let lacks = match (asked.rule.align, asked.rule.barrier) {
        (Align::Order | Align::Conflict, _) => "the order in an epoch",
        (Align::State, _) => "the data that were written",
        (_, Barrier::FlushFua | Barrier::None) => "epochs but those that end with a flush",
        (Align::Epoch | Align::Key, Barrier::Flush) => return Ok(()),
    };
    Err(Failure::new(format!("canonical text does not have {lacks}"))
        .coded("text")
        .hint("compare two traces, or take --align epoch or --align key and --barrier flush"))
}

/// Looks at a side: its devices come out, and what is told of it goes into `told`.
fn look(
    paths: [&Path; 2],
    which: Which,
    asked: &Asked,
    told: &mut SideTold,
) -> Result<Vec<String>, Failure> {
    let path = paths[usize::from(which == Which::New)];
    if !is_text(path)? {
        let survey = survey(path)?;
        describe(&survey, told);
        let whole = Asked { damage: Damage::Refused, ..asked.clone() };
        refuse(&survey, path, &whole)?;
        return Ok(survey.header.devices.iter().map(|device| device.name.clone()).collect());
    }
    told.is_text = true;
    let opened = open(path).map_err(|error| {
        Failure::because(format!("cannot read {}", input::name(path).display()), error)
    })?;
    let survey = diff::survey_text(opened)
        .map_err(|error| trouble::of_comparison(DiffError::Text(error).of(which), paths))?;
    told.requests = Some(survey.requests);
    told.complete = Some(true);
    if let Some(line) = survey.without_payload
        && asked.rule.facts.has(Fact::Payload)
    {
        let name = input::name(path).display().to_string();
        let what = format!("{name} says nothing of what was read and written, as in line {line}");
        return Err(Failure::new(what)
            .coded("no-payloads")
            .hint("--ignore payload  compares all but that"));
    }
    Ok(survey.devices)
}
