//! What is said of a recording that is over. Counts come in, lines for people and a failure go out.
//!
//! Invariant: whoever reads the last lines knows what became of what was written, and what the trace
//! holds.

use std::path::Path;

use blkreplay_core::engine::{Recorded, Totals};
use blkreplay_core::units::Size;

use crate::failure::Failure;
use crate::images::OpenedImage;
use crate::printer::Printer;
use crate::session::{Finished, Plan};
use crate::words::{counted, shell_word};

/// Tells how a recording ended; fails if its trace is not whole.
pub(crate) fn tell(plan: &Plan, finished: Finished, printer: &Printer) -> Result<(), Failure> {
    let Finished { recorded, totals, images } = finished;
    for image in images.iter().filter(|image| image.changed_size()) {
        let path = image.path.display();
        printer.warn(format_args!("the image {path} changed its size while it was served"));
    }
    let recorded = match (recorded, &plan.output) {
        (Some(Err(error)), Some(output)) => {
            let what = format!("the trace {} is not whole", output.display());
            let next = format!("blkreplay print {} shows what there is", shell_word(output));
            return Err(Failure::because(what, error).hint(next));
        }
        (Some(Ok(recorded)), Some(output)) => Some((recorded, output)),
        _ => None,
    };
    if let Some((recorded, output)) = &recorded {
        printer.say("recorded", recorded_line(output, recorded, totals));
    } else {
        printer.say("served", counts(totals));
    }
    tell_of_writes(&images, printer);
    if let Some((recorded, _)) = &recorded {
        printer.say("trace", data_line(recorded));
    }
    Ok(())
}

fn recorded_line(output: &Path, recorded: &Recorded, totals: Totals) -> String {
    let (duration, size) = (recorded.duration, Size(recorded.written.bytes));
    format!("{}  {}  {duration}  {size}", output.display(), counts(totals))
}

fn counts(totals: Totals) -> String {
    let Totals { requests, flushes, errors } = totals;
    let counts = [(requests, "request"), (flushes, "flush"), (errors, "error")];
    counts.map(|(number, thing)| counted(number, thing)).join("  ")
}

/// What became of what was written: nobody may think that it was kept when it was not.
pub(crate) fn tell_of_writes(images: &[OpenedImage], printer: &Printer) {
    let thrown_away = images.iter().filter_map(OpenedImage::thrown_away).map(|size| size.0).sum();
    if thrown_away > 0 {
        let size = Size(thrown_away);
        printer.say("image", format_args!("{size} written and thrown away; --write keeps them"));
    }
}

fn data_line(recorded: &Recorded) -> String {
    match recorded.written.payload_bytes_stored {
        0 => "none of your data; mode 0600".to_owned(),
        bytes => format!("{} of your data; mode 0600", Size(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use blkreplay_core::format::Written;
    use blkreplay_core::units::Nanos;

    use super::*;

    fn recorded(payload_bytes_stored: u64) -> Recorded {
        let written = Written { bytes: 9_646_899, payload_bytes_stored, ..Written::default() };
        Recorded { written, duration: Nanos(3_812_000_000) }
    }

    #[test]
    fn the_first_line_says_how_much_was_recorded() {
        let totals = Totals { requests: 12_431, flushes: 38, errors: 1 };
        assert_eq!(
            recorded_line(Path::new("boot.blkr"), &recorded(0), totals),
            "boot.blkr  12,431 requests  38 flushes  1 error  3.81s  9.1 MiB"
        );
    }

    #[test]
    fn the_trace_line_says_how_much_of_it_is_the_users() {
        assert_eq!(data_line(&recorded(9 << 20)), "9 MiB of your data; mode 0600");
        assert_eq!(data_line(&recorded(0)), "none of your data; mode 0600");
    }
}
