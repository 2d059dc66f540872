//! `completions` and `man`: what a package installs beside the program. The grammar comes in, files go out.
//!
//! Invariant: both are made from the same definitions as the parser, so that they cannot say anything else.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;

const COMPLETIONS_HELP: &str = "\
Examples:
  blkreplay completions bash > ~/.local/share/bash-completion/completions/blkreplay
  blkreplay completions zsh > ~/.zfunc/_blkreplay
  blkreplay completions fish > ~/.config/fish/completions/blkreplay.fish

Exit codes: 0 written, 2 trouble.";

/// Write a completion script for a shell to standard output
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "blkreplay", &mut script);
        let mut output = printer.output();
        output.write_all(&script).map_err(Failure::output)?;
        output.finish()?;
        Ok(ExitCode::Done)
    }
}

const MAN_HELP: &str = "\
Examples:
  blkreplay man ~/.local/share/man/man1
  blkreplay man ./man && man ./man/blkreplay-record.1

Exit codes: 0 written, 2 trouble.";

/// Write a man page for each command into a directory
#[derive(Debug, clap::Args)]
#[command(after_help = MAN_HELP)]
pub(crate) struct ManArgs {
    /// Where to; made if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl ManArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let directory = self.directory;
        let cannot = |what: &Path| format!("cannot write the man pages to {}", what.display());
        fs::create_dir_all(&directory)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &directory))
            .map_err(|error| Failure::because(cannot(&directory), error))?;
        let pages = 1 + Cli::command().get_subcommands().count();
        printer.say("wrote", format_args!("{pages} man pages to {}", directory.display()));
        printer.say("next", format_args!("man {}", directory.join("blkreplay.1").display()));
        Ok(ExitCode::Done)
    }
}
