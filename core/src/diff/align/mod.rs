//! Temporary.
use super::*;
/// Compares.
pub fn compare(
    base: &dyn Side,
    new: &dyn Side,
    rule: &Rule,
    outcome: &mut dyn Outcome,
) -> Result<(), DiffError> {
    let mut b = base.requests(&Part::ALL)?;
    let mut n = new.requests(&Part::ALL)?;
    loop {
        let pair = (b.next_request()?, n.next_request()?);
        let place = Place {
            device: Some(crate::request::DeviceId(0)),
            base_epoch: pair.0.map(|r| r.epoch),
            new_epoch: pair.1.map(|r| r.epoch),
        };
        let d = match pair {
            (None, None) => return Ok(()),
            (Some(b), Some(n)) if b.key(rule.facts) == n.key(rule.facts) => {
                outcome.same(place, 1, 0);
                continue;
            }
            (Some(b), Some(n)) => Difference {
                kind: Kind::Changed,
                place,
                base: vec![b],
                new: vec![n],
                facts: b.differing(&n),
            },
            (Some(b), None) => Difference {
                kind: Kind::Removed,
                place,
                base: vec![b],
                new: vec![],
                facts: Facts::NONE,
            },
            (None, Some(n)) => Difference {
                kind: Kind::Added,
                place,
                base: vec![],
                new: vec![n],
                facts: Facts::NONE,
            },
        };
        if outcome.difference(d).is_break() {
            return Ok(());
        }
    }
}
