//! Changes to what a client does: a script comes in, and the same with one thing different goes out.
//!
//! Knows no engine. Invariant: a changed script can be played to its end, and is as it was but for the one request.

use std::collections::{BTreeMap, BTreeSet};

use blkreplay_core::device::Dice;
use blkreplay_core::request::{Flags, Operation, Request};
use blkreplay_core::units::ByteRange;

use super::script::{Action, ActionId, DEVICE_BYTES, Data, Ending, Script, Session, request};

/// How often another place for a change is tried.
const TRIES: usize = 20;

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Dropped,
    Added,
    Offset,
    Length,
    Data,
    Flags,
    Operation,
    Device,
    /// Of two requests of which the second waited for the first, the first waits for the second.
    Swapped,
}

impl Kind {
    pub(super) const ALL: [Kind; 9] = [
        Kind::Dropped,
        Kind::Added,
        Kind::Offset,
        Kind::Length,
        Kind::Data,
        Kind::Flags,
        Kind::Operation,
        Kind::Device,
        Kind::Swapped,
    ];
}

/// A script with one thing different.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) script: Script,
    /// The request that is missing, or was different; of two that are swapped the first.
    pub(super) was: Option<ActionId>,
    /// The request that is new, or is different now.
    pub(super) is: Option<ActionId>,
}

impl Change {
    /// Changes a script; `None` if it has nothing that could be changed so.
    pub(super) fn make(script: &Script, kind: Kind, dice: &mut Dice) -> Option<Change> {
        (0..TRIES).find_map(|_| {
            let change = match kind {
                Kind::Dropped => drop_one(script, dice),
                Kind::Added => add_one(script, dice),
                Kind::Device => move_one(script, dice),
                Kind::Swapped => swap_two(script, dice),
                _ => alter_one(script, kind, dice),
            };
            change.filter(|change| change.script.is_playable())
        })
    }
}

/// Where an action stands: its session, and its place in it.
type Spot = (usize, usize);

/// Any action that fits.
fn pick(script: &Script, dice: &mut Dice, fits: impl Fn(&Action) -> bool) -> Option<Spot> {
    let sessions = script.sessions.iter().enumerate();
    let spots: Vec<Spot> = sessions
        .flat_map(|(session, whole)| {
            let fitting = whole.actions.iter().enumerate().filter(|(_, action)| fits(action));
            fitting.map(move |(place, _)| (session, place)).collect::<Vec<_>>()
        })
        .collect();
    dice.pick(&spots).copied()
}

/// Reads whose data are written somewhere else.
fn copied(script: &Script) -> BTreeSet<ActionId> {
    let actions = script.sessions.iter().flat_map(|session| &session.actions);
    let copied = |action: &Action| match action.data {
        Data::Copied(read) => Some(read),
        _ => None,
    };
    actions.filter_map(copied).collect()
}

fn remove(script: &mut Script, (session, place): Spot) -> Action {
    let action = script.sessions[session].actions.remove(place);
    for one in script.sessions.iter_mut().flat_map(|session| &mut session.actions) {
        one.waits_for.retain(|id| *id != action.id);
    }
    action
}

fn drop_one(script: &Script, dice: &mut Dice) -> Option<Change> {
    let copied = copied(script);
    let spot = pick(script, dice, |action| !copied.contains(&action.id))?;
    let mut script = script.clone();
    let action = remove(&mut script, spot);
    Some(Change { script, was: Some(action.id), is: None })
}

fn add_one(script: &Script, dice: &mut Dice) -> Option<Change> {
    let mut script = script.clone();
    let actions = script.sessions.iter().flat_map(|session| &session.actions);
    let last = actions.map(|action| action.id.0).max()?;
    let id = ActionId(last + 1);
    let request = request(dice);
    let data =
        if request.operation == Operation::Write { Data::Made(dice.number()) } else { Data::None };
    let action = Action { id, request, data, refused: None, waits_for: Vec::new(), lock: None };
    let session = dice.place(script.sessions.len())?;
    let actions = &mut script.sessions[session].actions;
    actions.insert(dice.place(actions.len() + 1)?, action);
    Some(Change { script, was: None, is: Some(id) })
}

/// Changes one field of a request.
fn alter_one(script: &Script, kind: Kind, dice: &mut Dice) -> Option<Change> {
    let copied = copied(script);
    let fits = |action: &Action| {
        let has_range = action.refused.is_none() && action.request.operation != Operation::Flush;
        let free = !copied.contains(&action.id) && !matches!(action.data, Data::Copied(_));
        match kind {
            Kind::Offset => has_range,
            Kind::Data => action.request.operation == Operation::Write,
            Kind::Flags => flag_of(action.request.operation).is_some(),
            _ => has_range && free,
        }
    };
    let (session, place) = pick(script, dice, fits)?;
    let mut script = script.clone();
    let action = &mut script.sessions[session].actions[place];
    let before = action.request;
    let ByteRange { offset, length } = before.range;
    match kind {
        Kind::Offset => action.request.range.offset = dice.below(DEVICE_BYTES - length + 1),
        Kind::Length => action.request.range.length = 1 + dice.below(DEVICE_BYTES - offset),
        Kind::Data => action.data = Data::Made(dice.number()),
        Kind::Flags => {
            let bits = before.flags.bits() ^ flag_of(before.operation)?.bits();
            action.request.flags = Flags::from_bits(bits)?;
        }
        _ => alter_operation(action, dice)?,
    }
    let same = action.request == before && kind != Kind::Data;
    let id = action.id;
    (!same).then_some(Change { script, was: Some(id), is: Some(id) })
}

/// A flag that a client may set.
fn flag_of(operation: Operation) -> Option<Flags> {
    match operation {
        Operation::Write | Operation::Discard => Some(Flags::FUA),
        Operation::WriteZeroes => Some(Flags::NO_HOLE),
        Operation::BlockStatus => Some(Flags::REQ_ONE),
        _ => None,
    }
}

fn alter_operation(action: &mut Action, dice: &mut Dice) -> Option<()> {
    let (operation, _) = *dice.pick(&Operation::NAMES)?;
    if operation == Operation::Flush {
        return None;
    }
    action.request = Request { operation, flags: Flags::NONE, ..action.request };
    action.data =
        if operation == Operation::Write { Data::Made(dice.number()) } else { Data::None };
    Some(())
}

/// A request goes to another device.
fn move_one(script: &Script, dice: &mut Dice) -> Option<Change> {
    let copied = copied(script);
    let free = |action: &Action| {
        let made = !matches!(action.data, Data::Copied(_));
        made && action.refused.is_none() && !copied.contains(&action.id)
    };
    let spot = pick(script, dice, free)?;
    let device = script.sessions[spot.0].device;
    // Others may wait for it.
    let fits = |other: &Session| other.device != device && other.ending == Ending::Asked;
    let others = script.sessions.iter().enumerate().filter(|(_, other)| fits(other));
    let others: Vec<usize> = others.map(|(session, _)| session).collect();
    let session = *dice.pick(&others)?;
    let mut script = script.clone();
    let mut action = script.sessions[spot.0].actions.remove(spot.1);
    // It waits for nothing, so that it makes none wait that did not.
    action.waits_for.clear();
    let id = action.id;
    let actions = &mut script.sessions[session].actions;
    actions.insert(dice.place(actions.len() + 1)?, action);
    Some(Change { script, was: Some(id), is: Some(id) })
}

/// A request that waited for another is sent before it, and that one waits for it.
fn swap_two(script: &Script, dice: &mut Dice) -> Option<Change> {
    let waits =
        |action: &Action| action.waits_for.iter().any(|id| action.data != Data::Copied(*id));
    let late = pick(script, dice, waits)?;
    if script.sessions[late.0].ending == Ending::Aborted {
        return None; // Nobody may wait for what may never be answered.
    }
    let mut script = script.clone();
    let action = &mut script.sessions[late.0].actions[late.1];
    let (second, ids) = (action.id, action.waits_for.clone());
    let first = *dice.pick(&ids)?;
    if action.data == Data::Copied(first) {
        return None;
    }
    action.waits_for.retain(|id| *id != first);
    let early = pick(&script, dice, |action| action.id == first)?;
    script.sessions[early.0].actions[early.1].waits_for.push(second);
    if early.0 == late.0 {
        script.sessions[early.0].actions.swap(early.1, late.1);
    }
    Some(Change { script, was: Some(first), is: Some(second) })
}

impl Script {
    /// Whether no action waits, over any number of others, for itself.
    fn is_playable(&self) -> bool {
        // What must have been sent before each.
        let mut before: BTreeMap<ActionId, BTreeSet<ActionId>> = BTreeMap::new();
        for session in &self.sessions {
            let mut last = session.after.and_then(|after| self.last_of(after));
            for action in &session.actions {
                let waits = action.waits_for.iter().copied().chain(last);
                before.insert(action.id, waits.collect());
                last = Some(action.id);
            }
        }
        while !before.is_empty() {
            let ready =
                before.iter().find(|(_, waits)| waits.iter().all(|id| !before.contains_key(id)));
            let Some(ready) = ready.map(|(id, _)| *id) else { return false };
            before.remove(&ready);
        }
        true
    }

    /// The last action of a session, or of the one before it.
    fn last_of(&self, session: usize) -> Option<ActionId> {
        let whole = &self.sessions[session];
        let last = whole.actions.last().map(|action| action.id);
        last.or_else(|| whole.after.and_then(|before| self.last_of(before)))
    }
}

#[test]
fn every_kind_of_change_changes_one_request() {
    let mut made = BTreeMap::new();
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let script = Script::new(&mut dice, super::script::Shape::USUAL);
        assert!(script.is_playable());
        for kind in Kind::ALL {
            let Some(change) = Change::make(&script, kind, &mut dice) else { continue };
            *made.entry(kind).or_insert(0) += 1;
            let all = |script: &Script| -> BTreeMap<ActionId, String> {
                let sessions = script.sessions.iter();
                let told =
                    sessions.flat_map(|one| one.actions.iter().map(move |action| (one, action)));
                told.map(|(session, action)| {
                    let Action { id, request, data, .. } = action;
                    (*id, format!("{} {request:?} {data:?}", session.device))
                })
                .collect()
            };
            let (was, is) = (all(&script), all(&change.script));
            let ids: BTreeSet<_> = was.keys().chain(is.keys()).collect();
            let differ = ids.into_iter().filter(|id| was.get(id) != is.get(id)).count();
            assert_eq!(differ, usize::from(kind != Kind::Swapped), "{kind:?}");
        }
    }
    assert!(made.len() == Kind::ALL.len() && made.values().all(|count| *count > 50), "{made:?}");
}
