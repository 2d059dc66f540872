//! Where somebody was: what was looked at, in which view, under which filter. Jumps in, the way back and forward out.
//!
//! Invariant: no more than `KEPT` each way; what is gone back from can be gone forward to until another jump.

use crate::action::{Direction, View};

/// Stations that are kept each way.
const KEPT: usize = 100;

/// Where somebody was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    /// The place of the focused request.
    pub focus: u64,
    /// The view.
    pub view: View,
    /// The filter; empty without one.
    pub filter: String,
}

/// The way back and forward.
#[derive(Debug, Default)]
pub struct Trail {
    back: Vec<Station>,
    forward: Vec<Station>,
}

impl Trail {
    /// Somebody jumps from here.
    pub fn leave(&mut self, station: Station) {
        self.forward.clear();
        if self.back.last() != Some(&station) {
            push(&mut self.back, station);
        }
    }

    /// Where to go back to (`Previous`) from here, or forward.
    pub fn go(&mut self, direction: Direction, now: Station) -> Option<Station> {
        let (from, to) = match direction {
            Direction::Previous => (&mut self.back, &mut self.forward),
            Direction::Next => (&mut self.forward, &mut self.back),
        };
        // One may have come back by oneself.
        let station = std::iter::from_fn(|| from.pop()).find(|station| *station != now)?;
        push(to, now);
        Some(station)
    }
}

fn push(stations: &mut Vec<Station>, station: Station) {
    if stations.len() == KEPT {
        stations.remove(0);
    }
    stations.push(station);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(focus: u64) -> Station {
        Station { focus, view: View::Requests, filter: String::new() }
    }

    #[test]
    fn the_way_back_is_bounded_and_a_jump_forgets_the_way_forward() {
        let mut trail = Trail::default();
        for focus in 0..2 * KEPT as u64 {
            trail.leave(at(focus));
        }
        let mut now = at(1000);
        for focus in (KEPT as u64..2 * KEPT as u64).rev() {
            let before = trail.go(Direction::Previous, now.clone()).unwrap();
            assert_eq!(before, at(focus));
            now = before;
        }
        assert_eq!(trail.go(Direction::Previous, now.clone()), None);
        let after = trail.go(Direction::Next, now).unwrap();
        assert_eq!(after, at(KEPT as u64 + 1));
        trail.leave(after.clone());
        assert_eq!(trail.go(Direction::Next, at(7)), None);
        assert_eq!(trail.go(Direction::Previous, at(7)), Some(after));
    }
}
