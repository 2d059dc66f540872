//! One worker's requests to a server: submissions come in, their completions go out in any order.
//!
//! It waits for nothing but in `drop`. Invariant: each submission is completed exactly once, and its worker's doorbell
//! rung for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::Remote;
use super::job::{Done, Job};
use super::link::Link;
use crate::device::{Completion, Doorbell, Queue, Submission};

/// A worker's way to a server.
pub(super) struct RemoteQueue {
    /// Whose connection is to be given back, if it is the one that the device has anyway.
    lent_by: Option<Arc<Remote>>,
    link: Arc<Link>,
    doorbell: Arc<Doorbell>,
    sender: Sender<Completion>,
    came: Receiver<Completion>,
    gathered: Vec<Job>,
    /// Handed to the link, not yet seen to come back.
    away: usize,
}

impl RemoteQueue {
    pub(super) fn new(
        link: Arc<Link>,
        lent_by: Option<Arc<Remote>>,
        doorbell: Arc<Doorbell>,
    ) -> RemoteQueue {
        let (sender, came) = channel();
        RemoteQueue { lent_by, link, doorbell, sender, came, gathered: Vec::new(), away: 0 }
    }
}

impl Queue for RemoteQueue {
    fn submit(&mut self, submission: Submission) {
        submission.assert_sound();
        let (sender, doorbell) = (self.sender.clone(), Arc::clone(&self.doorbell));
        let done: Done = Box::new(move |completion| {
            // The queue is there until all of its completions are.
            let _ = sender.send(completion);
            doorbell.ring();
        });
        let Submission { tag, request, data } = submission;
        self.gathered.push(Job::new(tag, request, data, done));
    }

    fn kick(&mut self) {
        if !self.gathered.is_empty() {
            self.away += self.gathered.len();
            self.link.hand_over(&mut self.gathered);
        }
    }

    fn poll(&mut self, completions: &mut Vec<Completion>) {
        while self.away > 0
            && let Ok(completion) = self.came.try_recv()
        {
            self.away -= 1;
            completions.push(completion);
        }
    }

    fn in_flight(&self) -> usize {
        self.gathered.len() + self.away
    }
}

impl Drop for RemoteQueue {
    fn drop(&mut self) {
        self.kick();
        while self.away > 0 && self.came.recv().is_ok() {
            self.away -= 1;
        }
        if let Some(remote) = &self.lent_by {
            remote.take_back();
        }
    }
}
