//! What is said of a recording that is over. Counts come in, lines for people and a failure go out.
//!
//! Invariant: whoever reads the last lines knows what became of what was written, and what the trace
//! holds.

use blkreplay_core::engine::{RecordError, Recorded, Totals};
use blkreplay_core::units::Size;

use crate::failure::Failure;
use crate::images::OpenedImage;
use crate::printer::Printer;
use crate::remote_image;
use crate::session::{Finished, Plan};
use crate::trace_file::Destination;
use crate::words::{counted, shell_word};

/// Tells how a recording ended; fails if its trace is not whole, or lacks what an image did not answer.
pub(crate) fn tell(plan: &Plan, finished: Finished, printer: &Printer) -> Result<(), Failure> {
    let Finished { recorded, totals, images, unanswered } = finished;
    let is_asked = |image: &&OpenedImage| unanswered.is_none() && image.changed_size();
    for image in images.iter().filter(is_asked) {
        let path = image.path.display();
        printer.warn(format_args!("the image {path} changed its size while it was served"));
    }
    tell_of_losses(&images, printer);
    let recorded = recorded.transpose().map_err(|error| not_whole(&plan.output, error))?;
    if let Some(recorded) = &recorded {
        printer.say("recorded", recorded_line(&plan.output, recorded, totals));
    } else {
        printer.say("served", counts(totals));
    }
    tell_of_writes(&images, printer);
    if let Some(recorded) = &recorded {
        printer.say("trace", data_line(&plan.output, recorded));
    }
    unanswered.map_or(Ok(()), Err)
}

/// Which servers were lost on the way, and why.
pub(crate) fn tell_of_losses(images: &[OpenedImage], printer: &Printer) {
    for image in images {
        if let Some(loss) = image.loss() {
            printer.warn(remote_image::loss_line(&image.path, loss));
        }
    }
}

fn not_whole(output: &Destination, error: RecordError) -> Failure {
    let failure = Failure::because(format!("the trace {output} is not whole"), error);
    match output.path() {
        Some(path) => {
            failure.hint(format!("blkreplay print {} shows what there is", shell_word(path)))
        }
        None => failure,
    }
}

fn recorded_line(output: &Destination, recorded: &Recorded, totals: Totals) -> String {
    let (duration, size) = (recorded.duration, Size(recorded.written.bytes));
    format!("{output}  {}  {duration}  {size}", counts(totals))
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

fn data_line(output: &Destination, recorded: &Recorded) -> String {
    let data = match recorded.written.payload_bytes_stored {
        0 => "none of your data".to_owned(),
        bytes => format!("{} of your data", Size(bytes)),
    };
    // What becomes of a stream is not up to us.
    if output.path().is_some() { format!("{data}; mode 0600") } else { data }
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
            recorded_line(&Destination::File("boot.blkr".into()), &recorded(0), totals),
            "boot.blkr  12,431 requests  38 flushes  1 error  3.81s  9.1 MiB"
        );
    }

    #[test]
    fn the_trace_line_says_how_much_of_it_is_the_users() {
        let file = Destination::File("t".into());
        assert_eq!(data_line(&file, &recorded(9 << 20)), "9 MiB of your data; mode 0600");
        assert_eq!(data_line(&file, &recorded(0)), "none of your data; mode 0600");
        assert_eq!(data_line(&Destination::Stdout, &recorded(0)), "none of your data");
    }
}
