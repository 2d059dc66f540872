//! Who wrote before where a request is, who comes there next, and how their data differ. Pages in, what was found out.
//!
//! Invariant: no more than `PAGES` pages are read each way; what lies beyond is not known, and is not said.

use std::io::{Read, Seek};
use std::ops::Range;

use blkreplay_core::event::Payload;
use blkreplay_core::format::ReadError;
use blkreplay_core::rows::Row;
use blkreplay_core::view::Pages;

/// Pages that are read each way.
const PAGES: usize = 2;

/// What lies around a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    /// The place of the request.
    pub place: u64,
    /// The last request before it that changed any of its range.
    pub before: Found,
    /// The next one that touches any of its range.
    pub after: Found,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This.
    Neighbour(Box<Neighbour>),
    /// There is none.
    Nothing,
    /// None of so many requests; it may lie beyond.
    NotNear(u64),
}

/// A request on the range of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// It.
    pub row: Row,
    /// Its range is exactly the same.
    pub is_same_range: bool,
    /// How its data differ.
    pub likeness: Likeness,
}

/// How the data of two requests differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Likeness {
    /// They do not.
    Same,
    /// So many bytes differ, of so many, all of them in this range of the data.
    Differs(u64, u64, Range<u64>),
    /// They do, but not both were recorded.
    Other,
    /// One of them has none, or another range.
    Unknown,
}

/// Looks around the request `of`, which is at `place`.
pub(crate) fn around<R: Read + Seek>(
    pages: &mut Pages<R>,
    place: u64,
    of: &Row,
) -> Result<Around, ReadError> {
    let mut around = Around { place, before: Found::Nothing, after: Found::Nothing };
    if of.request.range.length == 0 {
        return Ok(around);
    }
    let Some(own) = pages.holding(place) else { return Ok(around) };
    let touches =
        |row: &Row| row.device == of.device && row.request.range.overlaps(of.request.range);
    let first = own.saturating_sub(PAGES - 1);
    around.before = Found::NotNear(place - pages.all()[first].place);
    for page in (first..=own).rev() {
        let begins = pages.all()[page].place;
        let before = (begins..).zip(pages.rows(page)?).take_while(|(at, _)| *at < place);
        let writes = |row: &Row| row.request.operation.modifies() && touches(row);
        if let Some((_, row)) = before.filter(|(_, row)| writes(row)).last() {
            around.before = found(pages, of, row)?;
            break;
        }
        if page == 0 {
            around.before = Found::Nothing;
        }
    }
    let last = (own + PAGES - 1).min(pages.all().len() - 1);
    let end = pages.all()[last].place + pages.all()[last].requests;
    around.after = Found::NotNear(end - place - 1);
    for page in own..=last {
        let begins = pages.all()[page].place;
        let mut after = (begins..).zip(pages.rows(page)?).skip_while(|(at, _)| *at <= place);
        if let Some((_, row)) = after.find(|(_, row)| touches(row)) {
            around.after = found(pages, of, row)?;
            break;
        }
        if page == pages.all().len() - 1 {
            around.after = Found::Nothing;
        }
    }
    Ok(around)
}

fn found<R: Read + Seek>(pages: &mut Pages<R>, of: &Row, row: Row) -> Result<Found, ReadError> {
    let is_same_range = row.request.range == of.request.range;
    let likeness =
        if is_same_range { like(pages, of.payload, row.payload)? } else { Likeness::Unknown };
    Ok(Found::Neighbour(Box::new(Neighbour { row, is_same_range, likeness })))
}

fn like<R: Read + Seek>(
    pages: &mut Pages<R>,
    one: Payload,
    other: Payload,
) -> Result<Likeness, ReadError> {
    if one == Payload::Absent || other == Payload::Absent {
        return Ok(Likeness::Unknown);
    }
    if !one.differs(&other) {
        return Ok(Likeness::Same);
    }
    let mut data = |payload| match payload {
        Payload::Stored(_, id) => pages.data(id).map(Some),
        _ => Ok(None),
    };
    let (Some(one), Some(other)) = (data(one)?, data(other)?) else { return Ok(Likeness::Other) };
    let differ = |place: &usize| one.get(*place) != other.get(*place);
    let places = 0..one.len().max(other.len());
    let all: Vec<usize> = places.clone().filter(differ).collect();
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return Ok(Likeness::Same) };
    let range = *first as u64..*last as u64 + 1;
    Ok(Likeness::Differs(all.len() as u64, places.len() as u64, range))
}
