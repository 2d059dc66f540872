//! What is said of a replay that is over: a line and a table if it is the recording, an account if it is not, or one
//! JSON object. Facts come in, text goes out.
//!
//! The words of an account are in `account`. Invariant: what was not verified is never told as equal.

mod account;
mod json;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use blkreplay_core::engine::{Evidence, Latencies, Replayed, Rules};
use blkreplay_core::format::Sketch;
use blkreplay_core::position::Position;
use blkreplay_core::request::Operation;
use blkreplay_core::units::Nanos;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::slip;
use crate::words::{Count, counted};

/// All that is known of a replay when it is over.
pub(crate) struct Report<'a> {
    /// The trace.
    pub(crate) trace: &'a Path,
    /// Requests in the trace.
    pub(crate) requests: u64,
    /// How long the recording took.
    pub(crate) recorded: Nanos,
    /// What was done.
    pub(crate) replayed: &'a Replayed,
    /// Where it was to stop: as typed, and the first event that was not replayed.
    pub(crate) until: Option<(&'a Position, u64)>,
    /// The printed names of the devices.
    pub(crate) devices: Vec<&'a str>,
    /// What the trace knows of the first divergence.
    pub(crate) evidence: Evidence,
    /// Bytes written and thrown away; `None` if they were kept.
    pub(crate) thrown_away: Option<u64>,
    /// The trace was cut or damaged, and the rest of it was allowed to be missing.
    pub(crate) trace_cut: bool,
    /// A client was run again.
    pub(crate) live: bool,
    /// There was no image: the trace answered.
    pub(crate) from_trace: bool,
    /// Which bound on how late requests go out was not kept.
    pub(crate) slipped: Option<&'a str>,
}

/// Says how a replay went: in words, and in JSON if that was asked for.
pub(crate) fn tell(report: &Report<'_>, json: bool, printer: &Printer) -> Result<(), Failure> {
    if json {
        let mut output = printer.output();
        serde_json::to_writer(&mut output, &report.json())
            .map_err(|error| Failure::output(error.into()))?;
        output.write_all(b"\n").map_err(Failure::output)?;
        output.finish()?;
    }
    printer.say("replayed", report.line());
    if !report.live {
        report.latencies().iter().for_each(|line| printer.say("latency", line));
    }
    if let Some(line) = slip::line(report.replayed) {
        printer.say("late by", line);
    }
    for note in report.notes() {
        printer.say("note", note);
    }
    if let Some(slipped) = report.slipped {
        printer.account(&[slipped.to_owned()], &[]);
    }
    for divergence in &report.replayed.divergences {
        let (lines, hints) = report.account(divergence);
        printer.account(&lines, &hints);
    }
    Ok(())
}

impl Report<'_> {
    /// One line for people.
    fn line(&self) -> String {
        let Replayed { requests, left_out, verified, unverified, duration, divergences, .. } =
            self.replayed;
        let mut line = format!(
            "{} of {} in {duration} (recorded {})  reads verified {}",
            Count(*requests),
            counted(self.requests, "request"),
            self.recorded,
            Count(*verified),
        );
        if *unverified > 0 {
            let _ = write!(line, "  unverified {}", Count(*unverified));
        }
        if *left_out > 0 {
            let _ = write!(line, "  left out {} (failed when recorded)", Count(*left_out));
        }
        match divergences.len() as u64 {
            0 if *verified == 0 && *unverified > 0 => line.push_str("  nothing could be compared"),
            0 if *unverified > 0 => line.push_str("  0 differences in what was compared"),
            0 => line.push_str("  0 differences"),
            many => {
                let _ = write!(line, "  {}", counted(many, "difference"));
            }
        }
        line
    }

    /// What else happened, a line each.
    fn notes(&self) -> Vec<String> {
        let replayed = self.replayed;
        let mut notes = Vec::new();
        let mut note = |count: u64, thing: &str, what: &str| {
            if count > 0 {
                notes.push(format!("{} {what}", counted(count, thing)));
            }
        };
        note(replayed.filled, "write", "had no data in the trace, which were made up");
        note(replayed.extra, "request", "came that the recording does not have");
        note(replayed.missing, "request", "of the recording did not come");
        note(replayed.absent, "request", "did not come whose client had gone when it was recorded");
        note(replayed.ahead, "request", "went ahead of others that it does not conflict with");
        note(replayed.marks_missing, "mark", "of the recording did not come");
        note(replayed.marks_extra, "mark", "came that the recording does not have");
        if self.from_trace {
            notes.push("there was no image: reads were answered from the trace".to_owned());
        }
        match self.until {
            _ if !replayed.cut => {}
            Some((position, event)) => {
                notes.push(format!("stopped before event {event}, where {position} is"));
            }
            None => notes.push("the replay ended before the end of the recording".to_owned()),
        }
        if replayed.divergences.len() >= Rules::DIVERGENCES_MAX {
            notes.push("stopped at so many differences; there may be more".to_owned());
        }
        notes
    }

    /// Recorded and replayed latencies side by side, an operation a line.
    fn latencies(&self) -> Vec<String> {
        let (recorded, now) = (&self.replayed.recorded_latency, &self.replayed.replayed_latency);
        let used = Operation::NAMES.into_iter().filter(|(one, _)| now.of(*one).total() > 0);
        used.map(|(operation, name)| {
            let figures = |all: &Latencies| {
                let [p50, p99] = [0.5, 0.99].map(|part| quantile(all.of(operation), part));
                format!("p50 {p50:>6} p99 {p99:>6}")
            };
            format!("{name:<12} recorded {}   replayed {}", figures(recorded), figures(now))
        })
        .collect()
    }
}

/// The middle of the bucket that the quantile is in.
fn quantile(sketch: &Sketch, fraction: f64) -> Nanos {
    sketch.quantile(fraction).map_or(Nanos::default(), |bucket| {
        Nanos(bucket.start().0 + (bucket.end().0 - bucket.start().0) / 2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn replayed() -> Replayed {
        Replayed {
            requests: 12_431,
            verified: 8_249,
            duration: Nanos(1_020_000_000),
            ..Replayed::default()
        }
    }

    pub(super) fn report(replayed: &Replayed) -> Report<'_> {
        Report {
            trace: Path::new("boot.blkr"),
            requests: 12_431,
            recorded: Nanos(3_810_000_000),
            replayed,
            until: None,
            devices: vec!["disk"],
            evidence: Evidence::default(),
            thrown_away: None,
            trace_cut: false,
            live: false,
            from_trace: false,
            slipped: None,
        }
    }

    #[test]
    fn a_replay_that_went_the_same_way_is_one_line() {
        assert_eq!(
            report(&replayed()).line(),
            "12,431 of 12,431 requests in 1.02s (recorded 3.81s)  reads verified 8,249  \
             0 differences"
        );
    }

    #[test]
    fn what_could_not_be_compared_is_never_told_as_equal() {
        let replayed = Replayed { verified: 0, unverified: 9, ..replayed() };
        let line = report(&replayed).line();
        assert!(!line.contains("0 differences"), "{line}");
        assert!(line.contains("unverified 9") && line.contains("nothing could be compared"));
        let replayed = Replayed { verified: 1, ..replayed };
        let line = report(&replayed).line();
        assert!(line.ends_with("unverified 9  0 differences in what was compared"), "{line}");
    }

    #[test]
    fn what_else_happened_is_told_only_if_it_did() {
        assert_eq!(report(&replayed()).notes(), [""; 0]);
        let replayed = Replayed { extra: 1, marks_missing: 2, ..replayed() };
        assert_eq!(
            report(&replayed).notes(),
            [
                "1 request came that the recording does not have",
                "2 marks of the recording did not come"
            ]
        );
    }
}
