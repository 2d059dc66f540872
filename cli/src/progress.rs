//! How far a long piece of work has come. Numbers come in, a line that moves on a terminal goes out.
//!
//! Invariant: nothing is drawn during the first half second, nor where nobody would see it move, and nothing
//! is left behind.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::printer::Printer;

/// Work that is over sooner needs no bar.
const DELAY: Duration = Duration::from_millis(500);

/// How often a bar without an end moves.
const TICK: Duration = Duration::from_millis(100);

/// Goes behind what is being done.
const WITH_END: &str = "  {bar:30} {human_pos} of {human_len} requests  {elapsed}";
const READING: &str = "reading  {bar:30} {binary_bytes} of {binary_total_bytes}  {elapsed}";
const WITHOUT_END: &str = "{spinner} {human_pos} requests  {elapsed}  Ctrl-C ends the recording";

/// A bar, once it is worth drawing.
#[derive(Debug)]
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
    began: Instant,
    template: String,
    total: Option<u64>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Work on so many requests; on nobody knows how many, if `total` is `None`.
    pub(crate) fn new(printer: &Printer, doing: &'static str, total: Option<u64>) -> Progress {
        let template = total.map_or(WITHOUT_END.to_owned(), |_| format!("{doing}{WITH_END}"));
        Progress::drawn(printer, template, total)
    }

    /// Reading a file of so many bytes.
    pub(crate) fn reading(printer: &Printer, bytes: u64) -> Progress {
        Progress::drawn(printer, READING.to_owned(), Some(bytes))
    }

    fn drawn(printer: &Printer, template: String, total: Option<u64>) -> Progress {
        let (bars, began) = (printer.bars().cloned(), Instant::now());
        Progress { bars, began, template, total, bar: None }
    }

    /// So many requests are complete, or bytes are read.
    pub(crate) fn update(&mut self, done: u64) {
        let Some(bars) = &self.bars else { return };
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if self.began.elapsed() >= DELAY {
            self.bar = Some(bars.add(new_bar(&self.template, self.total)));
        }
    }

    /// When to call [`Progress::update`] again, although nothing may have happened; `None` if never.
    pub(crate) fn next_update(&self) -> Option<Instant> {
        self.bars.as_ref().map(|_| Instant::now() + TICK)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(template: &str, total: Option<u64>) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
