//! Which device of one trace is held against which of the other. Names in, numbers out.
//!
//! Knows no events. Invariant: no two devices of a side have the same number, and those of base keep theirs.

use super::error::Which;
use crate::format::Header;
use crate::limits::DEVICES_MAX;
use crate::request::DeviceId;

/// Which device is held against which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    base: usize,
    /// The number on the base side of each device of new.
    new: Vec<u16>,
}

impl Pairing {
    /// The devices of two traces: those of the same name, if both have the same names; else by their order.
    pub fn of(base: &Header, new: &Header) -> Pairing {
        let names = |header: &Header| -> Vec<String> {
            header.devices.iter().map(|device| device.name.clone()).collect()
        };
        Pairing::by_names(&names(base), &names(new))
    }

    /// The same of two lists of names. Of more than `DEVICES_MAX` only so many are known.
    pub fn by_names(base: &[String], new: &[String]) -> Pairing {
        let base = &base[..base.len().min(DEVICES_MAX)];
        let new = &new[..new.len().min(DEVICES_MAX)];
        let found = |name: &String| {
            let mut places = (0..).zip(base).filter(|(_, other)| *other == name);
            // A name that is there twice says nothing.
            places.next().filter(|_| places.next().is_none()).map(|(place, _)| place)
        };
        let mut named: Vec<u16> = new.iter().filter_map(found).collect();
        let complete = base.len() == new.len() && named.len() == new.len() && {
            let mut sorted = named.clone();
            sorted.sort_unstable();
            sorted.into_iter().eq((0..).take(new.len()))
        };
        if !complete {
            named = (0..).take(new.len()).collect();
        }
        Pairing { base: base.len(), new: named }
    }

    /// How many devices there are, those that only one side has counted too.
    pub fn devices(&self) -> u16 {
        u16::try_from(self.base.max(self.new.len())).unwrap_or(u16::MAX)
    }

    /// The number by which a device of a side is compared; `None` if the side does not have it.
    pub fn compared(&self, which: Which, own: DeviceId) -> Option<DeviceId> {
        let place = usize::from(own.0);
        match which {
            Which::Base => (place < self.base).then_some(own),
            Which::New => self.new.get(place).copied().map(DeviceId),
        }
    }

    /// The number in its own trace of a device that is compared; `None` if the side does not have it.
    pub fn own(&self, which: Which, compared: DeviceId) -> Option<DeviceId> {
        match which {
            Which::Base => (usize::from(compared.0) < self.base).then_some(compared),
            Which::New => {
                let mut numbers = (0..).zip(&self.new);
                numbers.find(|(_, other)| **other == compared.0).map(|(own, _)| DeviceId(own))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairing(base: &[&str], new: &[&str]) -> Pairing {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (base, new): (Vec<String>, Vec<String>) = (owned(base), owned(new));
        Pairing::by_names(&base, &new)
    }

    /// The numbers by which the devices of new are compared.
    fn numbers(pairing: &Pairing) -> Vec<u16> {
        let compared = |own| pairing.compared(Which::New, DeviceId(own));
        (0..9).map_while(compared).map(|device| device.0).collect()
    }

    #[test]
    fn devices_of_the_same_names_are_paired_whatever_their_order() {
        let pairing = pairing(&["root", "log", "data"], &["data", "root", "log"]);
        assert_eq!(numbers(&pairing), [2, 0, 1]);
        assert_eq!(pairing.devices(), 3);
        for own in 0..3 {
            for which in [Which::Base, Which::New] {
                let compared = pairing.compared(which, DeviceId(own)).unwrap();
                assert_eq!(pairing.own(which, compared), Some(DeviceId(own)));
            }
        }
    }

    #[test]
    fn devices_of_other_names_are_paired_in_their_order() {
        for (base, new) in [
            (&["a", "b"][..], &["b", "c"][..]),
            (&["a", "a"], &["a", "a"]),
            (&["a", "b"], &["b", "b"]),
        ] {
            assert_eq!(numbers(&pairing(base, new)), [0, 1], "{base:?} {new:?}");
        }
    }

    #[test]
    fn a_device_that_only_one_side_has_counts() {
        let more = pairing(&["a"], &["b", "a"]);
        assert_eq!((more.devices(), numbers(&more)), (2, vec![0, 1]));
        assert_eq!(more.own(Which::Base, DeviceId(1)), None);
        let fewer = pairing(&["b", "a"], &["a"]);
        assert_eq!((fewer.devices(), numbers(&fewer)), (2, vec![0]));
        assert_eq!(fewer.own(Which::New, DeviceId(1)), None);
        assert_eq!(fewer.compared(Which::New, DeviceId(1)), None);
        assert_eq!(pairing(&[], &[]).devices(), 0);
    }

    #[test]
    fn no_more_devices_are_known_than_a_recording_may_have() {
        let names: Vec<String> = (0..70_000).map(|number| format!("disk{number}")).collect();
        let pairing = Pairing::by_names(&names, &names);
        assert_eq!(usize::from(pairing.devices()), DEVICES_MAX);
        let last = DeviceId(u16::try_from(DEVICES_MAX).unwrap());
        assert_eq!(pairing.compared(Which::Base, last), None);
    }
}
