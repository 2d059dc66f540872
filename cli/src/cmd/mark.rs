//! `mark`: give a point of the recording around us a name. A name comes in, a mark goes into that trace.
//!
//! It speaks to the control socket that the recording made. Invariant: when it ends with 0, the mark is in the
//! file.

use std::env;
use std::path::Path;

use blkreplay_core::event::MarkName;

use crate::control;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;

/// The variable that names the control socket.
pub(crate) const CONTROL: &str = "BLKREPLAY_CONTROL";

const MARK_HELP: &str = "\
It runs inside the COMMAND of blkreplay record, which finds the recording by $BLKREPLAY_CONTROL, and returns when \
the mark is in the trace. Several marks may share a name. blkreplay print --events shows them.

Examples:
  blkreplay mark formatted          inside: record IMAGE -o TRACE -- ./client.sh
  blkreplay mark 'before fsck'

Exit codes: 0 the mark is in the trace, 2 it is not.";

/// Give this point of the recording a name
#[derive(Debug, clap::Args)]
#[command(after_help = MARK_HELP)]
pub(crate) struct MarkArgs {
    /// The name: 1 to 255 bytes on one line
    #[arg(value_name = "NAME")]
    name: MarkName,
}

impl MarkArgs {
    pub(crate) fn run(self, _printer: &Printer) -> Result<ExitCode, Failure> {
        let Some(path) = env::var_os(CONTROL).filter(|path| !path.is_empty()) else {
            return Err(Failure::new(format!("there is no recording to mark: {CONTROL} is not set"))
                .hint("blkreplay record sets it for its COMMAND: blkreplay record IMAGE -o TRACE -- sh -c 'blkreplay mark begin; …'"));
        };
        let what = format!("cannot make the mark `{}`", self.name);
        control::ask_for_mark(Path::new(&path), &self.name)
            .map_err(|error| Failure::because(what, error))?;
        Ok(ExitCode::Done)
    }
}
