//! The player of a replay in a world: turned by hand, and asked where it stands.
//!
//! Whenever nothing moves any more, time jumps past all patience, and the engine must say what it misses, or name the
//! image that owes something. Invariant: nothing is waited for that [`Engine::waiting`] does not name before.

use std::sync::Arc;

use blkreplay_core::engine::{Engine, Player, ReplayError, Replayed, Standing, Waiting};
use blkreplay_core::units::{Clock, Nanos, VirtualClock};

/// The player, and what became of the replay.
pub(super) struct Turning {
    engine: Arc<Engine>,
    player: Option<Player>,
    /// Nothing may be waited for for so long.
    beyond: Nanos,
    /// Once the replay is decided its client is killed.
    pub(super) kills: bool,
    /// No more clients come.
    closed: bool,
    due: Option<Nanos>,
    outcome: Option<Result<Replayed, ReplayError>>,
}

impl Turning {
    pub(super) fn new(engine: &Arc<Engine>, player: Player, beyond: Nanos, kills: bool) -> Turning {
        Turning {
            engine: Arc::clone(engine),
            player: Some(player),
            beyond,
            kills,
            closed: false,
            due: None,
            outcome: None,
        }
    }

    /// What became of it, once that is known.
    pub(super) fn outcome(&self) -> Option<&Result<Replayed, ReplayError>> {
        self.outcome.as_ref()
    }

    pub(super) fn take_outcome(&mut self) -> Result<Replayed, ReplayError> {
        self.outcome.take().expect("the world was played to its end")
    }

    /// There is trouble: nobody need do anything any more.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.outcome, Some(Err(_)))
    }

    /// The client has nothing to do any more, whatever it has not done yet.
    pub(super) fn is_decided(&self) -> bool {
        self.engine.replay_is_decided()
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Nanos> {
        self.due
    }

    /// Does what there is to do. Whether anything came of it.
    pub(super) fn turn(&mut self) -> bool {
        let Some(player) = &mut self.player else { return false };
        let did = player.turn();
        match player.standing() {
            Ok(Standing { ended: false, due, .. }) => {
                self.due = due;
                did
            }
            Ok(_) => {
                self.outcome = self.player.take().map(|player| Ok(player.end()));
                true
            }
            Err(error) => {
                self.outcome = Some(Err(error));
                self.player = None;
                true
            }
        }
    }

    /// The clients have all gone.
    pub(super) fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.engine.no_more_clients();
        }
    }

    /// Nothing moves any more: lets so much time pass that nothing may be waited for any longer. `in_flight` requests
    /// have no answer; `world` tells of them. Fails if the engine had not named what it waits for, or does not end the wait.
    pub(super) fn lose_patience(&mut self, clock: &VirtualClock, in_flight: usize, world: &str) {
        let waiting = self.engine.waiting();
        let known = self.divergences();
        let Waiting { early, held, away, done, missing, .. } = &waiting;
        let named = early.len() + held.len() + away.len() + done.len();
        assert!(
            named >= in_flight,
            "{in_flight} requests wait, not all are named: {waiting:?}\n{world}"
        );
        let nobody = self.closed && in_flight == 0 && away.is_empty();
        assert!(!nobody, "everybody has gone, and it waits on: {waiting:?}\n{world}");
        clock.advance(self.beyond);
        let now = clock.now();
        while self.turn() {}
        if let Some(Err(error)) = &self.outcome {
            assert!(!away.is_empty(), "{error}, but no image owes anything: {waiting:?}");
            return;
        }
        let replayed = self.engine.replayed().unwrap();
        let Some(divergence) = replayed.divergences.get(known) else {
            panic!(
                "it is {now:?}, and nobody says that this waits for too long: {waiting:?}\n{world}"
            );
        };
        let id = divergence.expected.and_then(|asked| asked.id);
        assert!(
            missing.iter().any(|asked| asked.id == id),
            "{divergence:?} was not among what was waited for: {waiting:?}\n{world}"
        );
    }

    fn divergences(&self) -> usize {
        self.engine.replayed().unwrap().divergences.len()
    }
}

impl Drop for Turning {
    /// A player that goes waits for its images, and in a world that failed nobody completes anything.
    fn drop(&mut self) {
        std::mem::forget(self.player.take());
    }
}
