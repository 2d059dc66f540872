//! What images hold if requests are done one by one, in the order in which they were issued: the history of a client
//! comes in, a difference from it goes out.
//!
//! It knows neither engine nor trace, only what a client saw. Invariant: a byte is unknown only after a change of it
//! that failed halfway, or of which the client never heard while its device went wrong.

use std::collections::BTreeMap;
use std::ops::Range;

use blkreplay_core::request::{Operation, Request};

use super::client::{History, Received, Sent};
use super::faults::UNTOUCHED;
use super::script::ActionId;

/// One image as it should be.
#[derive(Clone)]
struct Known {
    bytes: Vec<u8>,
    /// Ranges of which nobody knows what they hold.
    unknown: Vec<Range<usize>>,
}

/// Replays of a history in order.
struct Oracle<'a> {
    images: Vec<Known>,
    replies: BTreeMap<ActionId, &'a Received>,
    /// Whether an unheard result may be a failure.
    faulty: bool,
}

/// Holds what a client saw, and what the images hold in the end, against the order of its requests.
pub(super) fn check(
    history: &History,
    before: &[Vec<u8>],
    after: &[Vec<u8>],
    faulty: bool,
) -> Result<(), String> {
    let known = |bytes: &Vec<u8>| Known { bytes: bytes.clone(), unknown: Vec::new() };
    let images = before.iter().map(known).collect();
    let mut oracle = Oracle { images, replies: history.replies(), faulty };
    for sent in &history.sent {
        oracle.apply(sent)?;
    }
    for (device, (image, found)) in oracle.images.iter().zip(after).enumerate() {
        if let Some(place) = image.difference(0, found) {
            return Err(format!("the image of device {device} differs at byte {place}"));
        }
    }
    Ok(())
}

impl Known {
    /// Where `found`, read from `start` on, is not what it should be.
    fn difference(&self, start: usize, found: &[u8]) -> Option<usize> {
        let expected = &self.bytes[start..start + found.len()];
        if expected == found {
            return None;
        }
        let unknown = |place| self.unknown.iter().any(|range| range.contains(&place));
        (0..found.len()).find(|place| expected[*place] != found[*place] && !unknown(start + place))
    }

    fn forget(&mut self, place: Range<usize>) {
        self.unknown.push(place);
    }

    /// Bytes whose range is known from now on.
    fn change(&mut self, place: Range<usize>) -> &mut [u8] {
        let mut left = Vec::new();
        for range in self.unknown.drain(..) {
            left.push(range.start..range.end.min(place.start));
            left.push(range.start.max(place.end)..range.end);
        }
        left.retain(|range| range.start < range.end);
        self.unknown = left;
        &mut self.bytes[place]
    }
}

impl Oracle<'_> {
    fn apply(&mut self, sent: &Sent) -> Result<(), String> {
        let reply = self.replies.get(&sent.action).copied();
        if let Some(errno) = sent.refused {
            return match reply {
                Some(reply) if reply.result != Err(errno) => {
                    Err(format!("{sent:?} was to be refused, and got {:?}", reply.result))
                }
                _ => Ok(()),
            };
        }
        if sent.request.operation.modifies() {
            self.change(sent, reply);
        }
        match reply {
            Some(reply) if reply.result.is_ok() => self.compare(sent, reply),
            Some(reply) if !self.faulty => Err(format!("{sent:?} failed: {:?}", reply.result)),
            _ => Ok(()),
        }
    }

    fn change(&mut self, sent: &Sent, reply: Option<&Received>) {
        let image = &mut self.images[sent.device];
        let place = place(&sent.request);
        match reply.map(|reply| reply.result) {
            Some(Err(errno)) if errno == UNTOUCHED => {}
            Some(Err(_)) => image.forget(place),
            None if self.faulty => image.forget(place),
            _ if sent.request.operation == Operation::Write => {
                image.change(place).copy_from_slice(&sent.data);
            }
            _ => image.change(place).fill(0),
        }
    }

    /// Whether a reply is what the images say at this point.
    fn compare(&self, sent: &Sent, reply: &Received) -> Result<(), String> {
        let range = sent.request.range;
        match sent.request.operation {
            Operation::Read => {
                if reply.data.len() as u64 != range.length {
                    return Err(format!("{sent:?} returned {} bytes", reply.data.len()));
                }
                let image = &self.images[sent.device];
                match image.difference(place(&sent.request).start, &reply.data) {
                    Some(place) => Err(format!("{sent:?} returned other data at byte {place}")),
                    None => Ok(()),
                }
            }
            Operation::BlockStatus => {
                let covered: u64 = reply.extents.iter().map(|extent| extent.length).sum();
                if covered == range.length { Ok(()) } else { Err(format!("{sent:?}: {reply:?}")) }
            }
            _ if reply.data.is_empty() && reply.extents.is_empty() => Ok(()),
            _ => Err(format!("{sent:?} has data in its reply")),
        }
    }
}

/// Where a request lies in its image.
fn place(request: &Request) -> Range<usize> {
    let index = |number| usize::try_from(number).unwrap();
    index(request.range.offset)..index(request.range.end())
}

#[test]
fn what_is_unknown_is_known_again_where_it_is_written() {
    let mut known = Known { bytes: vec![0; 10], unknown: Vec::new() };
    known.forget(2..8);
    known.change(4..6).fill(1);
    assert_eq!(known.difference(0, &[0, 0, 9, 9, 1, 1, 9, 9, 0, 0]), None);
    assert_eq!(known.difference(4, &[1, 2, 9]), Some(1));
    assert_eq!(known.difference(0, &[7]), Some(0));
}
