//! `replay --dry-run`: what would be done, and what each request would wait for, without doing it. A trace and rules come
//! in, a line for each request goes out.
//!
//! It knows no images. Invariant: it says what the engine would do, because it asks the engine.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use blkreplay_core::engine::{self, Plan, Planned, Rules, Timing};
use serde_json::json;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::trace;
use crate::words::words_of;

/// How many of the requests that another one waits for are named.
const NAMED_MAX: usize = 8;

/// Prints the schedule of a replay on images, up to the event before `until`.
pub(crate) fn print(
    path: &Path,
    plan: &Plan,
    rules: &Rules,
    until: Option<u64>,
    json: bool,
    printer: &Printer,
) -> Result<(), Failure> {
    let mut reader = trace::open(path)?;
    let names: Vec<String> =
        reader.header().devices.iter().map(|device| device.name.clone()).collect();
    let mut output = printer.output();
    let mut failed = None;
    if !json {
        writeln!(output, "{:>8} {:>11} {:<28} waits for", "id", "time", "request")
            .map_err(Failure::output)?;
    }
    let timed = rules.timing != Timing::Asap;
    let outcome = engine::schedule(&mut reader, plan, rules, &mut |planned| {
        if until.is_some_and(|until| planned.event >= until) {
            return false;
        }
        let line = if json { json_line(planned, timed, &names) } else { text_line(planned, timed) };
        match writeln!(output, "{line}") {
            Ok(()) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    });
    if let Some(error) = failed {
        return Err(Failure::output(error));
    }
    outcome
        .map_err(|error| Failure::because(format!("cannot replay {}", path.display()), error))?;
    output.finish()
}

fn text_line(planned: &Planned, timed: bool) -> String {
    let seconds = std::time::Duration::from(planned.due).as_secs_f64();
    let seconds = if timed { format!("{seconds:.6}") } else { "-".to_owned() };
    let waits = if planned.left_out {
        "left out: it failed when it was recorded".to_owned()
    } else if planned.after.is_empty() {
        "-".to_owned()
    } else {
        let named = planned.after.iter().take(NAMED_MAX).map(ToString::to_string);
        let mut text = named.collect::<Vec<_>>().join(" ");
        if planned.after.len() > NAMED_MAX {
            let _ = write!(text, " and {} more", planned.after.len() - NAMED_MAX);
        }
        text
    };
    format!(
        "{:>8} {seconds:>11} {:<28} {waits}",
        planned.id.to_string(),
        words_of(&planned.request)
    )
}

fn json_line(planned: &Planned, timed: bool, names: &[String]) -> String {
    let after: Vec<u64> = planned.after.iter().map(|id| id.0).collect();
    let mut line = json!({
        "schema": "blkreplay.schedule/1",
        "event": planned.event,
        "id": planned.id.0,
        "dev": names.get(usize::from(planned.device.0)),
        "op": planned.request.operation.name(),
        "off": planned.request.range.offset,
        "len": planned.request.range.length,
        "after": after,
        "left_out": planned.left_out,
    });
    if timed {
        line["t"] = planned.due.0.into();
    }
    line.to_string()
}
