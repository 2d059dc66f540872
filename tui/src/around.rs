//! Who wrote before where a request is, who comes there next, and how their data differ. Pages in, what was found out.
//!
//! Invariant: no more than `PAGES` pages are read each way; what lies beyond is not known, and is not said.

use std::io::{Read, Seek};
use std::ops::Range;

use blkreplay_core::event::Payload;
use blkreplay_core::format::ReadError;
use blkreplay_core::rows::Row;
use blkreplay_core::view::{Page, Pages};

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
    /// What lies there cannot be read.
    Unreadable,
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

/// Looks around the request `of`, which is at `place`; `None` once it is not wanted any more, which is asked before each page.
pub(crate) fn around<R: Read + Seek>(
    pages: &mut Pages<R>,
    place: u64,
    of: &Row,
    mut is_wanted: impl FnMut() -> bool,
) -> Option<Around> {
    let own = pages.holding(place).filter(|_| of.request.range.length > 0);
    let Some(own) = own else {
        return Some(Around { place, before: Found::Nothing, after: Found::Nothing });
    };
    let before = before(pages, own, place, of, &mut is_wanted);
    let before = before.unwrap_or(Some(Found::Unreadable))?;
    let after = after(pages, own, place, of, &mut is_wanted);
    let after = after.unwrap_or(Some(Found::Unreadable))?;
    Some(Around { place, before, after })
}

fn touches(of: &Row, row: &Row) -> bool {
    row.device == of.device && row.request.range.overlaps(of.request.range)
}

/// The last that changed any of the range of `of`, which lies in the page `own`.
fn before<R: Read + Seek>(
    pages: &mut Pages<R>,
    own: usize,
    place: u64,
    of: &Row,
    is_wanted: &mut impl FnMut() -> bool,
) -> Result<Option<Found>, ReadError> {
    let first = own.saturating_sub(PAGES - 1);
    for page in (first..=own).rev() {
        if !is_wanted() {
            return Ok(None);
        }
        let Page { place: begins, requests, .. } = pages.all()[page];
        let rows = pages.rows(page)?;
        // Of its own page only what lies before it is asked.
        let is_short = (rows.len() as u64) < requests.min(place - begins);
        let before = (begins..).zip(rows).take_while(|(at, _)| *at < place);
        let writes = |row: &Row| row.request.operation.modifies() && touches(of, row);
        if let Some((_, row)) = before.filter(|(_, row)| writes(row)).last() {
            return found(pages, of, row).map(Some);
        }
        if is_short {
            return Ok(Some(Found::Unreadable));
        }
    }
    let looked = place - pages.all()[first].place;
    Ok(Some(if first == 0 { Found::Nothing } else { Found::NotNear(looked) }))
}

/// The next that touches any of it.
fn after<R: Read + Seek>(
    pages: &mut Pages<R>,
    own: usize,
    place: u64,
    of: &Row,
    is_wanted: &mut impl FnMut() -> bool,
) -> Result<Option<Found>, ReadError> {
    let behind = pages.all().len();
    let end = (own + PAGES).min(behind);
    for page in own..end {
        if !is_wanted() {
            return Ok(None);
        }
        let Page { place: begins, requests, .. } = pages.all()[page];
        let rows = pages.rows(page)?;
        let is_short = (rows.len() as u64) < requests;
        let mut after = (begins..).zip(rows).skip_while(|(at, _)| *at <= place);
        if let Some((_, row)) = after.find(|(_, row)| touches(of, row)) {
            return found(pages, of, row).map(Some);
        }
        if is_short {
            return Ok(Some(Found::Unreadable));
        }
    }
    let last = pages.all()[end - 1];
    let looked = (last.place + last.requests).saturating_sub(place + 1);
    Ok(Some(if end == behind { Found::Nothing } else { Found::NotNear(looked) }))
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
