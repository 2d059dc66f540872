//! `replay --dry-run`: what would be done, and what each request would wait for, without doing it. A trace and rules come
//! in, a line for each request goes out.
//!
//! Invariant: it says what the engine would do, because it asks the engine.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use blkreplay_core::engine::{self, Planned, Rules};
use serde_json::json;

use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::trace;
use crate::words::words_of;

/// How many of the requests that another one waits for are named.
const NAMED_MAX: usize = 8;

/// Prints the schedule of a replay on images.
pub(crate) fn print(
    path: &Path,
    rules: &Rules,
    json: bool,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let mut reader = trace::open(path)?;
    let names: Vec<String> =
        reader.header().devices.iter().map(|device| device.name.clone()).collect();
    let plan = engine::Plan::of(&mut trace::open(path)?)
        .map_err(|error| trace::cannot_replay(path, error))?;
    let mut output = printer.output();
    let mut failed = None;
    if !json {
        writeln!(output, "{:>8} {:>11} {:<28} waits for", "id", "time", "request")
            .map_err(Failure::output)?;
    }
    let outcome = engine::schedule(&mut reader, &plan, rules, &mut |planned| {
        let line = if json { json_line(planned, &names) } else { text_line(planned) };
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
    output.finish()?;
    Ok(ExitCode::Done)
}

fn text_line(planned: &Planned) -> String {
    let seconds = format!("{:.6}", std::time::Duration::from(planned.due).as_secs_f64());
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

fn json_line(planned: &Planned, names: &[String]) -> String {
    let after: Vec<u64> = planned.after.iter().map(|id| id.0).collect();
    json!({
        "schema": "blkreplay.schedule/1",
        "id": planned.id.0,
        "dev": names.get(usize::from(planned.device.0)),
        "op": planned.request.operation.name(),
        "off": planned.request.range.offset,
        "len": planned.request.range.length,
        "t": planned.due.0,
        "after": after,
        "left_out": planned.left_out,
    })
    .to_string()
}
