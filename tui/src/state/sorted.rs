//! Requests in another order than that of the trace. Places in, places and where they stand out.
//!
//! Invariant: every place is there once.

/// Places in an order.
#[derive(Debug, Default)]
pub struct Sorted {
    places: Vec<u64>,
    /// Where they stand, in the order of the places.
    standing: Vec<u32>,
}

impl Sorted {
    /// These, of which there are no more than `u32` counts.
    pub fn of(places: Vec<u64>) -> Sorted {
        let mut standing: Vec<u32> = (0..).take(places.len()).collect();
        standing.sort_unstable_by_key(|at| places[*at as usize]);
        Sorted { places, standing }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.places.len() as u64
    }

    /// The place of one of them.
    pub fn place(&self, at: u64) -> Option<u64> {
        self.places.get(usize::try_from(at).ok()?).copied()
    }

    /// Which of them is the one at a place.
    pub fn at(&self, place: u64) -> Option<u64> {
        let found = self.standing.binary_search_by_key(&place, |at| self.places[*at as usize]);
        found.ok().map(|at| u64::from(self.standing[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stand_where_they_were_put_and_are_found_there() {
        let sorted = Sorted::of(vec![7, 3, 900, 0]);
        assert_eq!(sorted.count(), 4);
        for (at, place) in [7, 3, 900, 0].into_iter().enumerate() {
            assert_eq!(sorted.place(at as u64), Some(place));
            assert_eq!(sorted.at(place), Some(at as u64));
        }
        assert_eq!((sorted.place(4), sorted.at(5)), (None, None));
    }
}
