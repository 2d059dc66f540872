//! When a connection looks for more requests first: before it sleeps, and before it sends little.
//!
//! A client that works hard sends its next request some microseconds after an answer. To be put to sleep and woken costs
//! both sides more than that, above all where a processor stops when nothing runs on it; and each reply that goes alone
//! may wake a client that could have had four at once. So a connection looks again some times, each time letting whoever
//! else would run do so. No clock here: it counts looks, of two short system calls each. Invariant: looks in vain are
//! bounded, for they make the next ones rare, and nothing is kept back from a client that has shown but few requests.

/// How often it looks before it sleeps.
const LOOKS: u32 = 50;

/// After looks in vain so many sleeps go without, at most.
const SKIPS_MAX: u32 = 64;

/// So many requests that came together show a client with many in flight.
const DEEP_REQUESTS: usize = 6;

/// For so many sends it is taken to have many in flight.
const DEEP_SENDS: u32 = 4096;

/// How often it looks before it sends what is little.
const HOLD_LOOKS: u32 = 10;

/// Before a sleep.
#[derive(Debug, Default)]
pub(super) struct Linger {
    /// Looks since there was something to do.
    looks: u32,
    /// Sleeps still to go without.
    skips: u32,
    /// Sleeps to go without after the next looks in vain.
    penalty: u32,
}

impl Linger {
    /// Something was there to do.
    pub(super) fn found(&mut self) {
        if std::mem::take(&mut self.looks) > 0 {
            self.penalty = 0;
        }
    }

    /// Nothing is there to do. Says whether to look again rather than to sleep.
    pub(super) fn looks_again(&mut self) -> bool {
        if self.skips > 0 {
            self.skips -= 1;
            return false;
        }
        if self.looks < LOOKS {
            self.looks += 1;
            return true;
        }
        self.looks = 0;
        self.skips = self.penalty;
        self.penalty = (2 * self.penalty).clamp(1, SKIPS_MAX);
        false
    }
}

/// Before a send of little.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// Requests that came with the last receive.
    together: usize,
    /// Sends for which the client is taken to have many requests in flight.
    deep_sends: u32,
    /// Looks in vain since replies are kept back.
    looks: u32,
}

impl Gather {
    /// Something was received.
    pub(super) fn received(&mut self) {
        self.together = 0;
        self.looks = 0;
    }

    /// So many requests were in it, beside those told of before.
    pub(super) fn parsed(&mut self, requests: usize) {
        self.together += requests;
        if self.together >= DEEP_REQUESTS {
            self.deep_sends = DEEP_SENDS;
        }
    }

    /// Says whether to look for more requests rather than to send what is little.
    pub(super) fn looks_again(&mut self) -> bool {
        if self.deep_sends == 0 || self.looks >= HOLD_LOOKS {
            self.looks = 0;
            self.deep_sends = self.deep_sends.saturating_sub(1);
            return false;
        }
        self.looks += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it looks until it sleeps.
    fn looks(linger: &mut Linger) -> u32 {
        let looks = (0..=LOOKS).take_while(|_| linger.looks_again());
        looks.count().try_into().unwrap()
    }

    #[test]
    fn looks_in_vain_become_rare_and_one_that_finds_something_makes_them_usual_again() {
        let mut linger = Linger::default();
        let all: u32 = (0..1000).map(|_| looks(&mut linger)).sum();
        assert!((LOOKS..25 * LOOKS).contains(&all), "{all} looks before a thousand sleeps");
        while !linger.looks_again() {}
        linger.found();
        assert_eq!([looks(&mut linger), looks(&mut linger), looks(&mut linger)], [LOOKS, LOOKS, 0]);
    }

    #[test]
    fn nothing_is_kept_back_from_a_client_that_has_shown_few_requests() {
        let mut gather = Gather::default();
        for _ in 0..1000 {
            gather.received();
            gather.parsed(DEEP_REQUESTS - 1);
            assert!(!gather.looks_again());
        }
    }

    #[test]
    fn replies_to_a_client_with_many_in_flight_are_kept_back_for_some_looks_after_the_last_request()
    {
        let mut gather = Gather::default();
        gather.received();
        gather.parsed(DEEP_REQUESTS - 2);
        gather.parsed(2);
        for _ in 0..HOLD_LOOKS - 1 {
            assert!(gather.looks_again());
        }
        gather.received();
        gather.parsed(1);
        assert_eq!((0..100).take_while(|_| gather.looks_again()).count(), HOLD_LOOKS as usize);
        for _ in 1..DEEP_SENDS {
            while gather.looks_again() {}
        }
        assert!(!gather.looks_again(), "it has shown few since");
    }
}
