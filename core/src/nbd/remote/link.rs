//! One connection to a server and the thread that looks after it: jobs come in from any thread, requests go out as they
//! come, answers are taken in any order, and each job is told what became of it.
//!
//! What a job asks is up to `job`, what an answer is up to `answers`. Invariants: nobody waits for the server here but
//! this thread; once the connection is lost, whatever the reason, every job that is with it fails, and so does every
//! later one.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::event::PollFlags;

use super::ability::Ability;
use super::job::{Job, Part};
use super::route::{Line, await_end};
use crate::device::Doorbell;
use crate::limits::{REMOTE_REQUESTS_MAX, REQUEST_DATA_BYTES_MAX};
use crate::nbd::answers::{Answer, AnswerError, Answers, Heard};
use crate::nbd::asking::leave;
use crate::nbd::negotiate::Terms;
use crate::nbd::stop::Deadline;
use crate::nbd::transport::{Received, Sent, Transport};
use crate::request::Errno;
use crate::units::ByteRange;

/// How often silence is looked for, while it is not too long.
const LOOKS: u32 = 4;

/// Receives in a row before what waits to be sent is looked at again.
const RECEIVES_MAX: usize = 16;

/// Why a server is of no use any more, and what that cost.
#[derive(Debug)]
pub struct Loss {
    /// Why.
    pub error: LossError,
    /// Requests that were with it, and failed.
    pub requests: usize,
}

/// Why a connection to a server was given up.
#[derive(Debug, thiserror::Error)]
pub enum LossError {
    /// It ended.
    #[error("the server closed the connection")]
    Closed,
    /// It broke.
    #[error("the connection to the server failed")]
    Io(#[from] io::Error),
    /// The server said what no server may.
    #[error("the server broke the protocol")]
    Answer(#[from] AnswerError),
    /// TLS broke.
    #[error("TLS with the server failed")]
    Tls(#[source] io::Error),
    /// The server did not say anything any more.
    #[error("the server did not answer for {} seconds", .0.as_secs_f32())]
    Silent(Duration),
}

/// What everything that came of one server shares.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) terms: Terms,
    pub(super) ability: Ability,
    pub(super) read_only: bool,
    /// How long the server may say nothing while it is asked something.
    pub(super) answer_time: Duration,
    /// The first connection that was lost.
    pub(super) loss: Arc<OnceLock<Loss>>,
}

/// A connection. Dropping it takes leave of the server, after all that is with it.
pub(super) struct Link {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Between the thread and those who have something to ask.
struct Shared {
    state: Mutex<State>,
    bell: Doorbell,
}

#[derive(Default)]
struct State {
    waiting: Vec<Job>,
    closing: bool,
    lost: bool,
}

impl Shared {
    /// Nothing that a panic could leave half done is kept under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Looks after a line on which an export was chosen. Fails when the process has no descriptors or threads left.
    pub(super) fn start(line: Line, setting: &Setting) -> io::Result<Link> {
        let shared = Arc::new(Shared { state: Mutex::default(), bell: Doorbell::new()? });
        let talk = Talk::new(line, setting.clone(), Arc::clone(&shared))?;
        let thread = Builder::new().name("nbd server".to_owned()).spawn(move || talk.run())?;
        Ok(Link { shared, thread: Some(thread) })
    }

    /// Takes all of `jobs`.
    pub(super) fn hand_over(&self, jobs: &mut Vec<Job>) {
        let mut state = self.shared.lock();
        if state.lost {
            drop(state);
            for job in jobs.drain(..) {
                job.fail(Errno::ESHUTDOWN);
            }
            return;
        }
        state.waiting.append(jobs);
        drop(state);
        self.shared.bell.ring();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.bell.ring();
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has said so already.
            let _ = thread.join();
        }
    }
}

/// Lets nobody wait for a thread that is gone, however it went.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.lost = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for job in waiting {
            job.fail(Errno::EIO);
        }
    }
}

/// What the thread knows.
struct Talk {
    transport: Transport,
    carrier: Option<JoinHandle<io::Result<()>>>,
    answers: Answers,
    /// Jobs that are not over, by their numbers.
    jobs: HashMap<u64, Job>,
    /// Those that may have something to ask, in order.
    asking: VecDeque<u64>,
    /// By cookie: whose part it is, and which.
    parts: HashMap<u64, (u64, ByteRange)>,
    /// The next number of a job, and the next cookie.
    next: u64,
    /// How much more the next answer needs, as far as is known.
    missing: usize,
    tick: Deadline,
    silent: u32,
    setting: Setting,
    shared: Arc<Shared>,
}

impl Talk {
    fn new(line: Line, setting: Setting, shared: Arc<Shared>) -> io::Result<Talk> {
        let Terms { dialect, allocation, .. } = setting.terms;
        Ok(Talk {
            transport: Transport::new(line.socket),
            carrier: line.carrier,
            answers: Answers::new(dialect, allocation),
            jobs: HashMap::new(),
            asking: VecDeque::new(),
            parts: HashMap::new(),
            next: 0,
            missing: 0,
            tick: Deadline::after(setting.answer_time / LOOKS)?,
            silent: 0,
            setting,
            shared,
        })
    }

    fn run(mut self) {
        // Dropped last: who is still waiting by then waits for nothing.
        let _end = End(Arc::clone(&self.shared));
        let ended = self.talk();
        let Talk { transport, carrier, jobs, setting, shared, .. } = self;
        drop(transport);
        let carried = await_end(carrier);
        let error = match ended {
            Ok(()) => return,
            // What is seen here of broken TLS is only that nothing more comes.
            Err(error @ (LossError::Closed | LossError::Io(_))) => {
                carried.map_or_else(LossError::Tls, |()| error)
            }
            Err(error) => error,
        };
        let mut state = shared.lock();
        state.lost = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        let requests = jobs.len() + waiting.len();
        // Another connection may have told before.
        let _ = setting.loss.set(Loss { error, requests });
        for job in waiting.into_iter().chain(jobs.into_values()) {
            job.fail(Errno::EIO);
        }
    }

    /// Asks and is answered until nobody needs it any more.
    fn talk(&mut self) -> Result<(), LossError> {
        loop {
            self.shared.bell.clear();
            let closing = self.take_new();
            self.ask();
            if self.exchange()? {
                self.silent = 0;
                continue;
            }
            if closing && self.jobs.is_empty() {
                self.take_leave();
                return Ok(());
            }
            self.judge_silence()?;
            if self.shared.bell.park() {
                let out = if self.transport.outbox.is_empty() {
                    PollFlags::empty()
                } else {
                    PollFlags::OUT
                };
                let others = [self.shared.bell.as_fd(), self.tick.as_fd()];
                self.transport.wait(PollFlags::IN | out, &others, None)?;
            }
        }
    }

    /// Takes what was handed over; whether nothing more will be.
    fn take_new(&mut self) -> bool {
        let mut state = self.shared.lock();
        let (waiting, closing) = (std::mem::take(&mut state.waiting), state.closing);
        drop(state);
        for mut job in waiting {
            job.begin(&self.setting.ability, self.setting.read_only);
            if job.is_over() {
                job.complete();
            } else {
                self.jobs.insert(self.next, job);
                self.asking.push_back(self.next);
                self.next += 1;
            }
        }
        closing
    }

    /// Puts into words what there is to be asked, as far as it is bounded.
    fn ask(&mut self) {
        while self.parts.len() < REMOTE_REQUESTS_MAX
            && self.transport.outbox.len() < REQUEST_DATA_BYTES_MAX as usize
        {
            let Some(number) = self.asking.front().copied() else { return };
            let part = self.jobs.get_mut(&number).and_then(Job::next_part);
            let Some(Part { request, data }) = part else {
                self.asking.pop_front();
                continue;
            };
            let (cookie, range) = (self.next, request.range);
            self.next += 1;
            let dialect = self.setting.terms.dialect;
            dialect.header(&request, cookie).write(dialect.headers(), self.transport.outbox.tail());
            self.transport.outbox.push(data);
            self.answers.await_one(cookie, request.operation, range);
            self.parts.insert(cookie, (number, range));
        }
    }

    /// Sends and receives what can be without waiting; whether that was anything.
    fn exchange(&mut self) -> Result<bool, LossError> {
        let sent = self.transport.send()?;
        let mut moved = sent == Sent::Some;
        for _ in 0..RECEIVES_MAX {
            match self.transport.receive(self.missing)? {
                Received::Bytes(_) => {
                    moved = true;
                    self.hear()?;
                }
                Received::Nothing if sent == Sent::End => return Err(LossError::Closed),
                Received::Nothing => break,
                Received::End => return Err(LossError::Closed),
            }
        }
        Ok(moved)
    }

    /// Takes all answers that came whole.
    fn hear(&mut self) -> Result<(), LossError> {
        loop {
            match self.answers.next(&mut self.transport.inbox)? {
                Heard::Starved { missing } => {
                    self.missing = missing;
                    return Ok(());
                }
                Heard::Answer(answer) => self.answered(answer),
            }
        }
    }

    fn answered(&mut self, answer: Answer) {
        let Some((number, range)) = self.parts.remove(&answer.cookie) else { return };
        let Some(job) = self.jobs.get_mut(&number) else { return };
        job.answered(range, answer);
        if !job.is_over() {
            self.asking.push_back(number);
        } else if let Some(job) = self.jobs.remove(&number) {
            job.complete();
        }
    }

    /// Gives the server up if it owes answers and has said nothing for long.
    fn judge_silence(&mut self) -> Result<(), LossError> {
        if !self.tick.passed() {
            return Ok(());
        }
        let span = self.setting.answer_time;
        self.tick = Deadline::after(span / LOOKS)?;
        self.silent = if self.jobs.is_empty() { 0 } else { self.silent + 1 };
        // The first look came at any time after the server fell silent.
        if self.silent > LOOKS { Err(LossError::Silent(span)) } else { Ok(()) }
    }

    /// Tells the server that nothing more will come. Whether it hears that is its own affair.
    fn take_leave(&mut self) {
        let headers = self.setting.terms.dialect.headers();
        leave(self.next).write(headers, self.transport.outbox.tail());
        let _ = self.transport.send();
    }
}
