//! Reading ahead: a thread decodes while whoever wants the events deals with those before.
//!
//! A reader in, the same events out, in the same order. Invariant: no more than a few thousand events wait, and
//! the thread ends when nobody wants more.

use std::io::{Read, Seek};
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::loss::Loss;
use super::reader::{ReadError, Reader};
use crate::event::Event;

/// Events handed over at once.
const BATCH: usize = 512;

/// How many such batches may wait.
const BATCHES: usize = 8;

/// Events in order, from wherever.
pub trait Events {
    /// The next event and its index; `None` at the end of what is whole.
    fn next_event(&mut self) -> Result<Option<(u64, Event)>, ReadError>;

    /// Whether the next event may have to be waited for.
    fn may_wait(&self) -> bool;

    /// What is missing. Known once there was no next event.
    fn loss(&mut self) -> Option<Loss>;
}

impl<R: Read + Seek> Events for Reader<R> {
    fn next_event(&mut self) -> Result<Option<(u64, Event)>, ReadError> {
        Reader::next_event(self)
    }

    fn may_wait(&self) -> bool {
        self.is_between_chunks()
    }

    fn loss(&mut self) -> Option<Loss> {
        self.loss.take()
    }
}

/// What the thread hands over.
enum Message {
    Events(Vec<(u64, Event)>),
    /// There are no more.
    End(Option<Loss>),
    Error(ReadError),
}

/// The events of a trace that a thread reads.
#[derive(Debug)]
pub struct Ahead {
    messages: Receiver<Message>,
    /// The last that is to be given out comes first.
    batch: Vec<(u64, Event)>,
    loss: Option<Loss>,
    finished: bool,
}

impl<R: Read + Seek + Send + 'static> Reader<R> {
    /// Reads on from where it stands on a thread of its own. The input must be one that does not block for long,
    /// such as a file: the thread notices between two batches that nobody wants more.
    pub fn ahead(self) -> Ahead {
        let (sender, messages) = sync_channel(BATCHES);
        let spawned = thread::Builder::new().name("read-ahead".to_owned());
        let mut ahead = Ahead { messages, batch: Vec::new(), loss: None, finished: false };
        if let Err(source) = spawned.spawn(move || run(self, &sender)) {
            let (sender, messages) = sync_channel(1);
            let failed = Message::Error(ReadError::Io { offset: 0, source });
            sender.send(failed).expect("the channel has room");
            ahead.messages = messages;
        }
        ahead
    }
}

fn run<R: Read + Seek>(mut reader: Reader<R>, sender: &SyncSender<Message>) {
    let mut batch = Vec::with_capacity(BATCH);
    let last = loop {
        match reader.next_event() {
            Ok(Some(event)) => batch.push(event),
            Ok(None) => break Message::End(reader.into_loss()),
            Err(error) => break Message::Error(error),
        }
        if batch.len() == BATCH {
            let full = mem::replace(&mut batch, Vec::with_capacity(BATCH));
            if sender.send(Message::Events(full)).is_err() {
                return;
            }
        }
    };
    // Whoever is gone does not want the end either.
    let _ = sender.send(Message::Events(batch)).and_then(|()| sender.send(last));
}

impl Events for Ahead {
    fn next_event(&mut self) -> Result<Option<(u64, Event)>, ReadError> {
        loop {
            if let Some(event) = self.batch.pop() {
                return Ok(Some(event));
            }
            if self.finished {
                return Ok(None);
            }
            match self.messages.recv().expect("the thread says how it ended before it goes") {
                Message::Events(batch) => {
                    self.batch = batch;
                    self.batch.reverse();
                }
                Message::End(loss) => {
                    self.finished = true;
                    self.loss = loss;
                }
                Message::Error(error) => {
                    self.finished = true;
                    return Err(error);
                }
            }
        }
    }

    fn may_wait(&self) -> bool {
        self.batch.is_empty() && !self.finished
    }

    fn loss(&mut self) -> Option<Loss> {
        self.loss.take()
    }
}
