//! The columns of the list: which there are, what stands in them, and from when times are told.
//!
//! Actions and rows in, texts out. Invariant: what is not in memory is not guessed.

use blkreplay_core::rows::Row;
use blkreplay_core::units::Nanos;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{App, Over};
use crate::action::{Direction, Listing};
use crate::state::cell::Cell;
use crate::state::columns::Clock;
use crate::words;

impl App {
    /// Focuses the column beside the one that is focused.
    pub(super) fn go_beside(&mut self, direction: Direction) {
        let chosen = self.columns.chosen();
        let at = chosen.iter().position(|cell| *cell == self.cell).unwrap_or(0);
        let to = match direction {
            Direction::Next => (at + 1).min(chosen.len() - 1),
            Direction::Previous => at.saturating_sub(1),
        };
        self.cell = chosen[to];
    }

    /// Does what the list is asked for.
    pub(super) fn list(&mut self, listing: Listing) {
        match listing {
            Listing::Columns => self.over = Some(Over::Columns),
            Listing::Data => self.next_mode(),
            Listing::Frequencies => self.ask_frequencies(),
            Listing::Sort => self.sort(),
            Listing::NextClock => self.next_clock(),
            Listing::Reference => self.set_reference(),
        }
    }

    /// Shows the column that is looked at or takes it away.
    pub(super) fn toggle_column(&mut self) {
        if !self.columns.toggle() {
            self.say("id and op are always there");
        }
        if !self.columns.has(self.cell) {
            self.cell = Cell::Operation;
        }
    }

    /// Tells times from elsewhere.
    fn next_clock(&mut self) {
        self.columns.next_clock(self.header.wall_clock_ns != 0);
        self.say(self.columns.clock.about());
    }

    /// Tells times from the focused request on.
    fn set_reference(&mut self) {
        let Some(row) = self.requests.focused() else { return };
        let (id, time) = (row.id, row.time);
        self.columns.reference = Some(time);
        self.columns.clock = Clock::Reference;
        self.say(format!("times are since {id}; t tells them otherwise"));
    }

    /// What stands in a column of the request at a place.
    pub(crate) fn text_of(&self, cell: Cell, place: u64, row: &Row) -> String {
        match cell {
            Cell::Time => self.time_of(place, row),
            Cell::Gap => match self.gap(place, row) {
                Some(gap) => format!("{}{}", sign(gap), Nanos(gap.unsigned_abs())),
                None => "-".to_owned(),
            },
            Cell::Device => self.device_name(row),
            cell => cell.text(row),
        }
    }

    fn time_of(&self, place: u64, row: &Row) -> String {
        match self.columns.clock {
            Clock::Start => words::seconds(row.time),
            Clock::Wall => wall(self.header.wall_clock_ns, row.time),
            Clock::Previous => self.gap(place, row).map_or_else(|| "-".to_owned(), signed),
            Clock::Reference => {
                signed(between(self.columns.reference.unwrap_or_default(), row.time))
            }
        }
    }

    /// From the request before it that is shown, if that is there and in memory.
    fn gap(&self, place: u64, row: &Row) -> Option<i64> {
        let before = self.requests.row(self.requests.before(place)?)?;
        Some(between(before.time, row.time))
    }
}

/// From one time to another, which may lie before it.
fn between(one: Nanos, other: Nanos) -> i64 {
    let span = i128::from(other.0) - i128::from(one.0);
    i64::try_from(span).unwrap_or(if span < 0 { i64::MIN } else { i64::MAX })
}

fn sign(span: i64) -> char {
    if span < 0 { '-' } else { '+' }
}

fn signed(span: i64) -> String {
    format!("{}{}", sign(span), words::seconds(Nanos(span.unsigned_abs())))
}

/// A time of the recording by the clock on the wall.
fn wall(began: u64, time: Nanos) -> String {
    let nanos = i128::from(began) + i128::from(time.0);
    // No clock shows what lies behind the year 9999.
    Timestamp::from_nanosecond(nanos).map_or_else(
        |_| "-".to_owned(),
        |at| TimeZone::UTC.to_datetime(at).strftime("%H:%M:%S%.6f").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_wall_clock_are_in_utc_and_none_is_made_up() {
        assert_eq!(wall(1_700_000_000_000_000_000, Nanos(1_500_000)), "22:13:20.001500");
        assert_eq!(wall(u64::MAX, Nanos(u64::MAX)), "23:09:07.419103");
    }

    #[test]
    fn spans_have_a_sign_and_never_break() {
        assert_eq!(signed(between(Nanos(5_000), Nanos(3_000))), "-0.000002");
        assert_eq!(signed(between(Nanos(3_000), Nanos(5_000))), "+0.000002");
        assert_eq!(between(Nanos(0), Nanos(u64::MAX)), i64::MAX);
        assert_eq!(between(Nanos(u64::MAX), Nanos(0)), i64::MIN);
    }
}
