//! A side without what rules leave out, and with bytes masked.
//!
//! A side, its rows and rules in, a side out. Invariants: a request of the side that is inside and the row at its place are the
//! same request; who has the side open for the second time finds the same left out.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::as_row::as_row;
use super::compared::Compared;
use super::error::DiffError;
use super::ignore::{IgnoreRule, Left, Meant, RuleError, SideRules, asking};
use super::rows::{RowSource, SideRows};
use super::side::{EpochSums, Part, Requests, Side};
use crate::request::DeviceId;
use crate::rows::Row;

/// A side as rules leave it.
pub struct RuledSide<'a> {
    inner: &'a dyn Side,
    source: &'a dyn RowSource,
    rules: SideRules,
    meant: Meant,
    /// Rows that are read on where the next part lies behind the last.
    kept: Mutex<Option<Cursor<'a>>>,
    /// The same for data that are asked for one by one.
    kept_for_data: Mutex<Option<Cursor<'a>>>,
}

/// Rows up to a place.
struct Cursor<'a> {
    rows: Box<dyn SideRows + Send + 'a>,
    /// The place of the next one.
    next: u64,
}

impl<'a> RuledSide<'a> {
    /// `inner`, whose rows `source` gives, as `rules` leave it. It is gone over once or twice, to find out what they mean.
    pub fn new(
        inner: &'a dyn Side,
        source: &'a dyn RowSource,
        rules: &[IgnoreRule],
    ) -> Result<RuledSide<'a>, DiffError> {
        let rules = SideRules::of(rules, &|text| source.filter(text))?;
        let meant = rules.nothing_meant();
        let mut side = RuledSide {
            inner,
            source,
            rules,
            meant,
            kept: Mutex::default(),
            kept_for_data: Mutex::default(),
        };
        side.settle()?;
        side.meant = side.count()?;
        Ok(side)
    }

    /// How many requests each rule means, and how many they leave out together.
    pub fn meant(&self) -> &Meant {
        &self.meant
    }

    /// Finds out what filters must know of marks, and of all requests together.
    fn settle(&mut self) -> Result<(), DiffError> {
        let source = self.source;
        for (rule, filter) in self.rules.filters() {
            let times =
                filter.marks().map(|name| source.mark(name)).collect::<Result<Vec<_>, _>>()?;
            filter.settle_marks(&times).map_err(|error| RuleError::filter(rule, error))?;
        }
        if !self.rules.needs().first_pass {
            return Ok(());
        }
        let mut rules = std::mem::take(&mut self.rules);
        let needs_written = rules.needs().written;
        let mut totals: Vec<_> =
            rules.filters().map(|(rule, filter)| (rule.clone(), filter.first_pass())).collect();
        let (inner, source) = (self.inner, self.source);
        go_over(inner, source, needs_written, &mut |request, row| {
            let data = |_| inner.data(request);
            for (rule, totals) in &mut totals {
                asking(rule, row, &data, |asked| totals.add_asked(asked))?;
            }
            Ok(())
        })?;
        let filters = rules.filters().zip(&totals);
        filters.for_each(|((_, filter), (_, totals))| filter.settle(totals));
        self.rules = rules;
        Ok(())
    }

    fn count(&self) -> Result<Meant, DiffError> {
        let mut meant = self.rules.nothing_meant();
        go_over(self.inner, self.source, self.rules.needs().written, &mut |request, row| {
            self.rules.count(row, &|_| self.inner.data(request), &mut meant).map(|_| ())
        })?;
        Ok(meant)
    }

    fn cursor(&self) -> Result<Cursor<'a>, DiffError> {
        let rows = self.source.rows(self.rules.needs().written)?;
        Ok(Cursor { rows, next: 0 })
    }
}

/// Calls `with` for each request and its row.
fn go_over(
    inner: &dyn Side,
    source: &dyn RowSource,
    written: bool,
    with: &mut dyn FnMut(&Compared, &Row) -> Result<(), DiffError>,
) -> Result<(), DiffError> {
    let mut requests = inner.requests(&Part::ALL)?;
    let mut cursor = Cursor { rows: source.rows(written)?, next: 0 };
    while let Some(request) = requests.next_request()? {
        with(&request, &cursor.of(&request)?)?;
    }
    Ok(())
}

impl Cursor<'_> {
    /// The row of a request whose place was not passed yet.
    fn of(&mut self, request: &Compared) -> Result<Row, DiffError> {
        loop {
            let row = self.rows.next_row()?;
            self.next += 1;
            match row {
                Some(_) if self.next <= request.place => {}
                Some(row) if row.id == request.id => return Ok(row),
                _ => return Err(DiffError::Row { id: request.id }),
            }
        }
    }
}

/// A part of it.
struct Ruled<'side, 'a> {
    side: &'side RuledSide<'a>,
    requests: Box<dyn Requests + Send + 'side>,
    cursor: Option<Cursor<'a>>,
}

impl Requests for Ruled<'_, '_> {
    fn next_request(&mut self) -> Result<Option<Compared>, DiffError> {
        while let Some(request) = self.requests.next_request()? {
            let usable = self.cursor.take().filter(|cursor| cursor.next <= request.place);
            let cursor = match usable {
                Some(cursor) => cursor,
                None => self.side.cursor()?,
            };
            let cursor = self.cursor.insert(cursor);
            let row = cursor.of(&request)?;
            let data = |_| self.side.inner.data(&request);
            if let Left::In { payload, masked } = self.side.rules.judge(&row, &data)? {
                return Ok(Some(Compared { payload, masked, ..request }));
            }
        }
        Ok(None)
    }
}

impl Drop for Ruled<'_, '_> {
    fn drop(&mut self) {
        *self.side.kept.lock().unwrap_or_else(PoisonError::into_inner) = self.cursor.take();
    }
}

impl Side for RuledSide<'_> {
    fn devices(&self) -> u16 {
        self.inner.devices()
    }

    fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
        let cursor = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(Box::new(Ruled { side: self, requests: self.inner.requests(part)?, cursor }))
    }

    fn epoch_sums(&self, _: DeviceId) -> Result<Option<EpochSums>, DiffError> {
        // Summaries do not know what is left out.
        Ok(None)
    }

    fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        self.inner.data(of)
    }

    fn compared_data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        let Some(whole) = self.inner.data(of)? else { return Ok(None) };
        if !of.masked {
            return Ok(Some(whole));
        }
        let data = |_| Ok(Some(whole.clone()));
        if !self.rules.masks_ask_rows() {
            let masked = self.rules.masked(&as_row(of, &whole), &data)?;
            return Ok(Some(masked.unwrap_or(whole)));
        }
        let mut kept = self.kept_for_data.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = kept.take().filter(|cursor| cursor.next <= of.place);
        let cursor = match usable {
            Some(cursor) => cursor,
            None => self.cursor()?,
        };
        let row = kept.insert(cursor).of(of)?;
        let masked = self.rules.masked(&row, &data)?;
        Ok(Some(masked.unwrap_or(whole)))
    }
}

#[cfg(test)]
mod tests;
