//! What a replay must hold: a recording and what became of its replay come in, the first promise that is broken goes out.
//!
//! R1 is seen at the client: results, and their order on each connection; and in the replay's trace, which must have the
//! same steps. R2 is seen at the images. Of requests whose clients had gone only that is said which does not depend on
//! when they went. Knows nothing of how a replay is done.

use std::collections::BTreeMap;

use blkreplay_core::engine::{Divergence, Order};
use blkreplay_core::event::{Block, Payload};
use blkreplay_core::request::RequestId;

use super::client::{History, Received, Sent, action_of};
use super::faults::UNTOUCHED;
use super::recorded::Recorded;
use super::recording::Recording;
use super::replaying::Outcome;
use super::script::{ActionId, Ending, Script};
use super::steps;

/// A recording and its replay, side by side.
pub(super) struct Claims<'a> {
    recording: &'a Recording,
    first: &'a Recorded,
    outcome: &'a Outcome,
    again: Recorded,
    script: &'a Script,
    order: Order,
}

impl<'a> Claims<'a> {
    /// A replay of the same client that came to its end, by rules with this `order`.
    pub(super) fn of(
        recording: &'a Recording,
        first: &'a Recorded,
        outcome: &'a Outcome,
        script: &'a Script,
        order: Order,
    ) -> Result<Claims<'a>, String> {
        let again = Recorded::read(outcome.trace.clone())?;
        Ok(Claims { recording, first, outcome, again, script, order })
    }

    /// Everything that is promised of a replay without a divergence.
    pub(super) fn check(&self) -> Result<(), String> {
        check_same(self.outcome)?;
        self.check_traces()?;
        self.check_client()?;
        check_images(self.recording, self.first, self.outcome)
    }

    /// What is promised where data of writes were made up.
    pub(super) fn check_filled(&self) -> Result<(), String> {
        check_same(self.outcome)?;
        self.again.check_pairs()
    }

    /// R4, and of R1 what the trace of the replay says.
    fn check_traces(&self) -> Result<(), String> {
        self.again.check_pairs()?;
        match self.order {
            Order::Recorded => steps::check_same(self.first, &self.again),
            _ => steps::check_same_requests(self.first, &self.again),
        }?;
        if self.order == Order::Conflict && !self.script.sessions.is_empty() {
            let block = u64::from(self.recording.block_min);
            steps::check_order(self.first, &self.again, block)?;
        }
        Ok(())
    }

    /// R1 at the client.
    fn check_client(&self) -> Result<(), String> {
        let history = &self.outcome.history;
        let ids = self.ids()?;
        let replies = history.replies();
        for sent in &history.sent {
            let reply = replies.get(&sent.action).copied();
            let broke = self.script.sessions[sent.session].ending == Ending::Aborted;
            if reply.is_none() && !broke {
                return Err(format!("{sent:?} has no answer"));
            }
            match ids.get(&sent.action) {
                Some(id) => self.check_reply(*id, sent, reply)?,
                None if broke => {}
                None => return Err(format!("{sent:?} is not in the trace of the replay")),
            }
        }
        self.check_order(&ids)?;
        self.check_sequences()
    }

    /// Which id each action has in the trace of the replay. Those that the replay did itself have none.
    fn ids(&self) -> Result<BTreeMap<ActionId, RequestId>, String> {
        let mut ids = BTreeMap::new();
        for (_, issue, _) in &self.again.issues {
            let Some(action) = action_of(issue.cookie) else { continue };
            if ids.insert(action, issue.id).is_some() {
                return Err(format!("{action:?} is in the trace of the replay twice"));
            }
        }
        Ok(ids)
    }

    /// A request must ask what the recorded one with its id asked, and get what that got.
    fn check_reply(
        &self,
        id: RequestId,
        sent: &Sent,
        reply: Option<&Received>,
    ) -> Result<(), String> {
        let was = self.sent(id);
        let asked = |one: &Sent| (one.device, one.request, one.refused);
        let told = self.first.policy != blkreplay_core::format::PayloadPolicy::None;
        if asked(was) != asked(sent) || (told && was.data != sent.data) {
            return Err(format!("{sent:?} was taken for {was:?}"));
        }
        let Some(reply) = reply else { return Ok(()) };
        let block = self.block(id);
        if block.flags.undelivered {
            return Ok(());
        }
        if (reply.result, &reply.extents) != (block.result, &block.extents) {
            return Err(format!("{reply:?} was {block:?}"));
        }
        let heard = self.recording.history.replies();
        match heard.get(&was.action) {
            Some(heard) if heard.data != reply.data => {
                Err(format!("{sent:?} was answered with other data"))
            }
            _ if block.payload.differs(&Payload::of(&reply.data)) && !reply.data.is_empty() => {
                Err(format!("{sent:?} was answered with other data than {block:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Replies come over each connection in the order in which the trace of the replay has them.
    fn check_order(&self, ids: &BTreeMap<ActionId, RequestId>) -> Result<(), String> {
        let released: BTreeMap<RequestId, u64> =
            self.again.blocks.iter().map(|one| (one.2.id, one.0)).collect();
        let mut last: BTreeMap<usize, u64> = BTreeMap::new();
        for reply in &self.outcome.history.received {
            let Some(place) = ids.get(&reply.action).map(|id| released[id]) else { continue };
            if last.insert(reply.session, place).is_some_and(|last| last > place) {
                return Err(format!("{reply:?} came after one that was released later"));
            }
        }
        Ok(())
    }

    /// Each connection that nobody broke gets what it got, in the same order.
    fn check_sequences(&self) -> Result<(), String> {
        if self.order != Order::Recorded {
            return Ok(());
        }
        let was = by_session(&self.recording.history);
        let is = by_session(&self.outcome.history);
        for (session, whole) in self.script.sessions.iter().enumerate() {
            if whole.ending == Ending::Aborted {
                continue;
            }
            let (was, is) = (was.get(&session), is.get(&session));
            let same = was
                .into_iter()
                .flatten()
                .map(|one| (one.action, one.content()))
                .eq(is.into_iter().flatten().map(|one| (one.action, one.content())));
            if !same {
                return Err(format!("connection {session} got {is:?}, and had got {was:?}"));
            }
        }
        Ok(())
    }

    fn sent(&self, id: RequestId) -> &Sent {
        &self.recording.history.sent[usize::try_from(id.0).unwrap()]
    }

    fn block(&self, id: RequestId) -> &Block {
        let mut blocks = self.first.blocks.iter().map(|one| &one.2);
        blocks.find(|block| block.id == id).unwrap()
    }
}

/// Whether a replay found no divergence.
pub(super) fn check_same(outcome: &Outcome) -> Result<(), String> {
    match &outcome.replayed {
        Ok(replayed) if replayed.divergences.is_empty() => Ok(()),
        Ok(replayed) => Err(format!("it diverges: {}", told(&replayed.divergences))),
        Err(error) => Err(format!("it cannot go on: {error}")),
    }
}

/// Divergences, each in a line.
pub(super) fn told(divergences: &[Divergence]) -> String {
    let line =
        |one: &Divergence| format!("\n{:?}: {:?}, came {:?}", one.kind, one.expected, one.came);
    divergences.iter().map(line).collect()
}

/// R2: the images hold what they held, but where a change of them failed halfway.
pub(super) fn check_images(
    recording: &Recording,
    first: &Recorded,
    outcome: &Outcome,
) -> Result<(), String> {
    let failed = |id: RequestId| {
        let block = first.blocks.iter().map(|one| &one.2).find(|block| block.id == id);
        block.is_some_and(|block| block.result.is_err_and(|errno| errno != UNTOUCHED))
    };
    let torn: Vec<_> = first
        .issues
        .iter()
        .filter(|(_, issue, _)| issue.request.operation.modifies() && failed(issue.id))
        .map(|(_, issue, _)| (usize::from(issue.device.0), issue.request.range))
        .collect();
    for (device, (was, is)) in recording.after.iter().zip(&outcome.after).enumerate() {
        if was == is {
            continue;
        }
        let differs = (0..was.len()).find(|place| {
            let at = *place as u64;
            let unknown = |(on, range): &(usize, blkreplay_core::units::ByteRange)| {
                *on == device && range.offset <= at && at < range.end()
            };
            was[*place] != is[*place] && !torn.iter().any(unknown)
        });
        if let Some(place) = differs {
            return Err(format!("the image of device {device} differs at byte {place}"));
        }
    }
    Ok(())
}

fn by_session(history: &History) -> BTreeMap<usize, Vec<&Received>> {
    let mut sessions: BTreeMap<usize, Vec<&Received>> = BTreeMap::new();
    for reply in &history.received {
        sessions.entry(reply.session).or_default().push(reply);
    }
    sessions
}
