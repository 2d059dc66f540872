//! The steps of a recording and those of its replay: two traces that were read come in, a difference goes out.
//!
//! A step is what was issued since the last checkpoint, in any order, and what was released after the next one, in its
//! order. A request whose client had gone may come later in a replay, or never. Knows neither clients nor images. Invariant:
//! traces that it finds equal tell the same of every request, but for times, connections and cookies.

use std::collections::{BTreeMap, BTreeSet};

use blkreplay_core::event::{Block, Issue, Payload};
use blkreplay_core::request::{Operation, Request, RequestId};

use super::recorded::Recorded;

/// What lies between two checkpoints.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    issues: BTreeSet<RequestId>,
    blocks: Vec<RequestId>,
}

/// Whether `again` has the same steps as `first`.
pub(super) fn check_same(first: &Recorded, again: &Recorded) -> Result<(), String> {
    check_same_requests(first, again)?;
    let (unheard, absent) = (unheard(first), absent(first, again));
    let (one, two) = (steps(first, &unheard, &absent), steps(again, &unheard, &absent));
    for (number, (one, two)) in one.iter().zip(&two).enumerate() {
        if one != two {
            return Err(format!("step {number} was {one:?} and is {two:?}"));
        }
    }
    if one.len() == two.len() {
        Ok(())
    } else {
        Err(format!("{} steps: {one:?} {two:?}", one.len()))
    }
}

/// Whether `again` has the same requests with the same results as `first`, in whatever order.
pub(super) fn check_same_requests(first: &Recorded, again: &Recorded) -> Result<(), String> {
    let unheard = unheard(first);
    if let Some(id) = absent(first, again).iter().find(|id| !unheard.contains(id)) {
        return Err(format!("{id} is not in the trace of the replay"));
    }
    let issues: BTreeMap<RequestId, _> = first.issues.iter().map(|one| (one.1.id, one)).collect();
    for (_, issue, data) in &again.issues {
        let Some((_, was, stored)) = issues.get(&issue.id) else {
            return Err(format!("{} is in no recording", issue.id));
        };
        let told = |one: &Issue| (one.device, one.request, plain(one.payload));
        if told(was) != told(issue) || stored != data {
            return Err(format!("{was:?} became {issue:?}"));
        }
    }
    let blocks: BTreeMap<RequestId, _> = first.blocks.iter().map(|one| (one.2.id, one)).collect();
    for (_, _, block, data) in &again.blocks {
        let (_, _, was, stored) = blocks[&block.id];
        let read_same = plain(was.payload) == plain(block.payload) && stored == data;
        // Where nobody heard of a read, nobody waits for it, and it may see what came later.
        if told(was) != told(block) || (!read_same && !unheard.contains(&block.id)) {
            return Err(format!("{was:?} became {block:?}"));
        }
    }
    Ok(())
}

/// Whether `again` keeps of the order of `first` what matters: what had been released before another request was
/// issued, and conflicts with it or is a barrier to it, is so still.
pub(super) fn check_order(first: &Recorded, again: &Recorded, block: u64) -> Result<(), String> {
    let places = |recorded: &Recorded| -> BTreeMap<RequestId, (u64, u64)> {
        let released: BTreeMap<_, _> =
            recorded.blocks.iter().map(|one| (one.2.id, one.0)).collect();
        recorded.issues.iter().map(|one| (one.1.id, (one.0, released[&one.1.id]))).collect()
    };
    let (was, is) = (places(first), places(again));
    // What failed reaches no image, and what nobody heard of is not waited for.
    let mut free = unheard(first);
    let failed = first.blocks.iter().filter(|one| one.2.result.is_err());
    free.extend(failed.map(|one| one.2.id));
    for (_, one, _) in &first.issues {
        for (_, two, _) in first.issues.iter().filter(|two| two.1.device == one.device) {
            let (Some((_, released)), Some((issued, _))) = (is.get(&one.id), is.get(&two.id))
            else {
                continue;
            };
            let matters = !free.contains(&one.id)
                && !free.contains(&two.id)
                && is_before(&one.request, &two.request, block);
            if matters && was[&one.id].1 < was[&two.id].0 && released > issued {
                return Err(format!("{} was to be released before {} is issued", one.id, two.id));
            }
        }
    }
    Ok(())
}

/// A trace, an event in a line, for whoever looks for the reason of a failure.
pub(super) fn told_whole(recorded: &Recorded) -> String {
    let mut lines: BTreeMap<u64, String> = BTreeMap::new();
    for (place, issue, _) in &recorded.issues {
        let Issue { id, device, connection, cookie, request, payload, .. } = issue;
        let who = format!("{device:?} {connection:?} cookie {cookie}");
        lines.insert(*place, format!("issue {id} {who} {request:?} {payload}"));
    }
    for (place, _, block, _) in &recorded.blocks {
        let Block { id, result, flags, payload, .. } = block;
        lines.insert(*place, format!("block {id} {result:?} {flags:?} {payload}"));
    }
    lines.extend(recorded.checkpoints.iter().map(|place| (*place, "checkpoint".to_owned())));
    let lines: Vec<_> = lines.into_iter().map(|(place, line)| format!("{place}: {line}")).collect();
    lines.join("\n")
}

/// Whether a request must wait for another that had been released before it was issued.
fn is_before(one: &Request, two: &Request, block: u64) -> bool {
    let barrier = |one: &Request, two: &Request| {
        one.operation == Operation::Flush && two.operation.modifies()
    };
    one.conflicts(two, block) || barrier(one, two) || barrier(two, one)
}

/// Requests of which no client heard how they ended.
pub(super) fn unheard(recorded: &Recorded) -> BTreeSet<RequestId> {
    let blocks = recorded.blocks.iter().map(|(_, _, block, _)| block);
    blocks.filter(|block| block.flags.undelivered).map(|block| block.id).collect()
}

/// Requests that a replay does not have.
pub(super) fn absent(first: &Recorded, again: &Recorded) -> BTreeSet<RequestId> {
    let ids = |recorded: &Recorded| -> BTreeSet<RequestId> {
        recorded.issues.iter().map(|one| one.1.id).collect()
    };
    ids(first).difference(&ids(again)).copied().collect()
}

/// What a trace tells of how a request ended.
fn told(block: &Block) -> impl PartialEq {
    let Block { device, operation, result, flags, extents, .. } = block.clone();
    (device, operation, result, flags.refused, extents)
}

/// A payload without the number that it has in its trace.
fn plain(payload: Payload) -> (Payload, bool) {
    match payload {
        Payload::Stored(digest, _) => (Payload::Digest(digest), true),
        other => (other, false),
    }
}

/// The steps of a trace, without the issues of those that nobody waits for, and without the blocks of those that are
/// absent.
fn steps(
    recorded: &Recorded,
    unheard: &BTreeSet<RequestId>,
    absent: &BTreeSet<RequestId>,
) -> Vec<Step> {
    let mut steps: Vec<Step> = (0..=recorded.checkpoints.len()).map(|_| Step::default()).collect();
    for (place, issue, _) in &recorded.issues {
        if !unheard.contains(&issue.id) {
            let step = recorded.checkpoints.partition_point(|checkpoint| checkpoint < place);
            steps[step].issues.insert(issue.id);
        }
    }
    for (_, step, block, _) in &recorded.blocks {
        if !absent.contains(&block.id) {
            steps[usize::try_from(*step).unwrap() - 1].blocks.push(block.id);
        }
    }
    // Of a step that releases nothing nobody knows where it ends.
    let mut kept: Vec<Step> = Vec::new();
    let mut carried = BTreeSet::new();
    for mut step in steps {
        step.issues.append(&mut carried);
        if step.blocks.is_empty() {
            carried = step.issues;
        } else {
            kept.push(step);
        }
    }
    if !carried.is_empty() {
        kept.push(Step { issues: carried, blocks: Vec::new() });
    }
    kept
}
