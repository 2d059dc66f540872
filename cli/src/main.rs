//! The `blkreplay` command: a table of contents. Arguments come in, an exit code goes out.
//!
//! What there is to do lives in `cmd`, what may be typed in `args` and `cmd`, what is printed goes through
//! `printer`. Invariant: every way out of the program passes through [`main`], so that an error is told once.

mod activation;
mod args;
mod beside;
mod bounds;
mod canonical_lines;
mod child;
mod chosen;
mod clock;
mod cmd;
mod config;
mod control;
mod diff;
mod dry_run;
mod edited;
mod ending;
mod exit;
mod expert;
mod failure;
mod follow;
mod found;
mod front;
mod images;
mod input;
mod lines;
mod live;
mod log_lines;
mod looking;
mod meant;
mod output;
mod output_image;
mod outputs;
mod pid_file;
mod printer;
mod progress;
mod qemu_log;
mod remote_image;
mod report;
mod rerun;
mod serving;
mod session;
mod settler;
mod shown;
mod signals;
mod slip;
mod socket;
mod spooled;
mod stdio;
mod summary;
#[cfg(feature = "tls")]
mod tls;
mod trace;
mod trace_file;
mod verify;
mod waiting;
mod wanted;
mod words;
mod workload;

use std::process;

use args::Parsed;
use exit::ExitCode;
use printer::Printer;

fn main() -> process::ExitCode {
    let code = match args::parse(std::env::args_os()) {
        Parsed::Run(cli) => {
            let printer = Printer::new(cli.global.color, cli.global.verbosity());
            printer.conclude(cmd::dispatch(cli.command, &printer))
        }
        Parsed::Tell(text, color) => Printer::new(color, printer::Verbosity::Normal).tell(&text),
        Parsed::Refuse(text, color) => {
            Printer::new(color, printer::Verbosity::Normal).refuse(&text);
            ExitCode::Trouble
        }
    };
    code.into()
}
