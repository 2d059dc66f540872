//! Places that somebody marked with a letter. Letters and places in, places out.

use std::collections::BTreeMap;

use blkreplay_core::request::RequestId;
use blkreplay_core::units::Nanos;
use roaring::RoaringTreemap;

use crate::action::Direction;

/// A place, with what it says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The place of the request.
    pub place: u64,
    /// The request.
    pub id: RequestId,
    /// When it arrived.
    pub time: Nanos,
}

/// All that is marked.
#[derive(Debug, Default)]
pub struct Marks {
    letters: BTreeMap<char, Point>,
}

impl Marks {
    /// Marks a place; a mark that is there already is taken away. Whether it is there now.
    pub fn toggle(&mut self, letter: char, point: Point) -> bool {
        let was_there = self.letters.insert(letter, point) == Some(point);
        if was_there {
            self.letters.remove(&letter);
        }
        !was_there
    }

    /// What a letter marks.
    pub fn get(&self, letter: char) -> Option<Point> {
        self.letters.get(&letter).copied()
    }

    /// All, by letter.
    pub fn all(&self) -> impl Iterator<Item = (char, Point)> {
        self.letters.iter().map(|(letter, point)| (*letter, *point))
    }

    /// The letter of a place, the first if there are several.
    pub fn at(&self, place: u64) -> Option<char> {
        self.all().find(|(_, point)| point.place == place).map(|(letter, _)| letter)
    }

    /// The mark that is next, or before, of those that are shown.
    pub fn beside(
        &self,
        place: u64,
        direction: Direction,
        shown: Option<&RoaringTreemap>,
    ) -> Option<(char, Point)> {
        let is_shown = |point: &Point| shown.is_none_or(|shown| shown.contains(point.place));
        let all = self.all().filter(|(_, point)| is_shown(point));
        match direction {
            Direction::Next => {
                all.filter(|(_, point)| point.place > place).min_by_key(|(_, point)| point.place)
            }
            Direction::Previous => {
                all.filter(|(_, point)| point.place < place).max_by_key(|(_, point)| point.place)
            }
        }
    }
}
