//! Which connection of the recording each connection of a replay does the work of.
//!
//! Arrivals that ask the same can be told apart by nothing but who asks: two writers flush, and each goes on when its
//! own flush is answered. What a connection brings that no other had brought tells whose counterpart it is; which one
//! of several equal requests an arrival is, is then decided by that. Connections of which any may bring anything, as
//! those of a pool of threads, have no counterparts, and they show it. It knows neither requests nor time. Invariant:
//! it prefers, and never refuses.

use std::collections::HashMap;

use crate::request::ConnectionId;

/// Equal requests among which one is chosen.
const CANDIDATES_MAX: usize = 64;

/// Connections that are remembered.
const CONNECTIONS_MAX: usize = 4096;

/// What is known of the connections so far.
#[derive(Debug, Default)]
pub(super) struct Counterparts {
    of: HashMap<ConnectionId, Counterpart>,
    /// By connection of the recording.
    taken: HashMap<ConnectionId, ConnectionId>,
    is_pool: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counterpart {
    recorded: ConnectionId,
    /// It brought something that no other connection had brought.
    sure: bool,
}

impl Counterparts {
    /// Which of `candidates` an arrival of `connection` is: each with what names it, and the connection that brought it
    /// when it was recorded, in the order of the recording. The first, unless another is its counterpart's.
    pub(super) fn choose<T: Copy>(
        &mut self,
        connection: ConnectionId,
        candidates: impl Iterator<Item = (T, ConnectionId)>,
    ) -> Option<T> {
        let own = self.of.get(&connection).map(|counterpart| counterpart.recorded);
        let (mut first, mut of_own, mut of_nobody) = (None, None, None);
        let mut alone = true;
        for candidate in candidates.take(CANDIDATES_MAX) {
            let recorded = candidate.1;
            alone &= first.get_or_insert(candidate).1 == recorded;
            if Some(recorded) == own {
                of_own.get_or_insert(candidate);
            } else if !self.taken.contains_key(&recorded) {
                of_nobody.get_or_insert(candidate);
            }
            if self.is_pool || (of_own.is_some() && !alone) {
                break;
            }
        }
        let (chosen, recorded) = of_own.or(of_nobody).or(first)?;
        if !self.is_pool {
            self.learn(connection, Counterpart { recorded, sure: alone });
        }
        Some(chosen)
    }

    /// From now on the first that asks the same is meant, whoever asks.
    pub(super) fn give_up(&mut self) {
        *self = Counterparts { is_pool: true, ..Counterparts::default() };
    }

    fn learn(&mut self, connection: ConnectionId, new: Counterpart) {
        let old = self.of.get(&connection).copied();
        if old == Some(new) || (!new.sure && old.is_some()) {
            return;
        }
        let is_other = |old: Counterpart| old.sure && new.sure && old.recorded != new.recorded;
        let holder = self.taken.get(&new.recorded).copied().filter(|holder| *holder != connection);
        let held = holder.and_then(|holder| self.of.get(&holder));
        if old.is_some_and(is_other) || held.is_some_and(|held| held.sure && new.sure) {
            self.give_up();
        } else if holder.is_none() || new.sure {
            // What was guessed makes way for what is sure.
            holder.map(|holder| self.of.remove(&holder));
            old.map(|old| self.taken.remove(&old.recorded));
            if self.of.len() >= CONNECTIONS_MAX {
                (self.of, self.taken) = (HashMap::new(), HashMap::new());
            }
            self.of.insert(connection, new);
            self.taken.insert(new.recorded, connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets connection `connection` choose among requests of these recorded connections; the place of the chosen one.
    fn choose(counterparts: &mut Counterparts, connection: u32, recorded: &[u32]) -> usize {
        let candidates = recorded.iter().map(|one| ConnectionId(*one)).enumerate();
        counterparts.choose(ConnectionId(connection), candidates).unwrap()
    }

    #[test]
    fn the_first_is_chosen_while_nothing_is_known() {
        let mut counterparts = Counterparts::default();
        assert_eq!(counterparts.choose(ConnectionId(7), std::iter::empty::<((), _)>()), None);
        assert_eq!(choose(&mut counterparts, 7, &[2, 1]), 0);
    }

    #[test]
    fn an_arrival_is_the_counterparts_once_it_is_known() {
        let mut counterparts = Counterparts::default();
        assert_eq!(choose(&mut counterparts, 7, &[1]), 0);
        assert_eq!(choose(&mut counterparts, 8, &[2]), 0);
        assert_eq!(choose(&mut counterparts, 8, &[1, 2, 2]), 1);
        assert_eq!(choose(&mut counterparts, 7, &[2, 1]), 1);
        // Connection 1 is another's, so that this one can only be the counterpart of 3.
        assert_eq!(choose(&mut counterparts, 9, &[1, 3]), 1);
    }

    #[test]
    fn what_its_counterpart_does_not_have_it_may_bring_all_the_same() {
        let mut counterparts = Counterparts::default();
        assert_eq!(choose(&mut counterparts, 7, &[1]), 0);
        assert_eq!(choose(&mut counterparts, 7, &[2, 3]), 0);
    }

    #[test]
    fn a_guess_makes_way_for_what_is_sure() {
        let mut counterparts = Counterparts::default();
        assert_eq!(choose(&mut counterparts, 7, &[1, 2]), 0);
        assert_eq!(choose(&mut counterparts, 7, &[2]), 0);
        assert_eq!(choose(&mut counterparts, 7, &[1, 2]), 1);
        assert_eq!(choose(&mut counterparts, 8, &[1]), 0);
        assert!(!counterparts.is_pool);
    }

    #[test]
    fn a_connection_that_brings_what_two_had_brought_is_one_of_a_pool() {
        let mut counterparts = Counterparts::default();
        assert_eq!(choose(&mut counterparts, 7, &[1]), 0);
        assert_eq!(choose(&mut counterparts, 7, &[2]), 0);
        assert_eq!(choose(&mut counterparts, 7, &[3, 1, 2]), 0);
        assert!(counterparts.is_pool);
    }

    #[test]
    fn two_connections_that_bring_what_one_had_brought_are_of_a_pool() {
        let mut counterparts = Counterparts::default();
        assert_eq!(choose(&mut counterparts, 7, &[1]), 0);
        assert_eq!(choose(&mut counterparts, 8, &[1]), 0);
        assert!(counterparts.is_pool);
    }

    #[test]
    fn however_many_connections_come_few_are_remembered() {
        let mut counterparts = Counterparts::default();
        for number in 0..100_000 {
            choose(&mut counterparts, number, &[number]);
            assert!(counterparts.of.len() <= CONNECTIONS_MAX);
            assert_eq!(counterparts.of.len(), counterparts.taken.len());
        }
    }
}
