//! What may be typed before and around a command. Arguments come in, a [`Cli`] or a text to print goes out.
//!
//! The doc comments here and in `cmd` are the help text. Nothing is decided here but whether the command
//! line is well formed.

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser};

use crate::cmd::Command;
use crate::printer::{Color, Verbosity};

/// What `blkreplay` prints when it is asked nothing.
const GREETING: &str = "\
blkreplay records what any client does to a disk, shows it, and makes it happen again.

  blkreplay demo                                        see all of it happen, in a second
  blkreplay record disk.img -o t.blkr -- COMMAND {uri}  record what COMMAND does to disk.img
  blkreplay print t.blkr                                one line a request
  blkreplay inspect t.blkr                              look through it, by keys
  blkreplay stats t.blkr                                sizes, latencies, throughput, flushes
  blkreplay replay t.blkr disk.img                      do the same again, and check each read
  blkreplay diff base.blkr new.blkr                     what is not the same, for tests and CI

New here? Try: blkreplay demo
All commands and options: blkreplay --help
";

/// Where lines of help are broken at the latest.
const HELP_COLUMNS: usize = 100;

/// The end of the general help.
const AFTER_HELP: &str = "\
Exit codes: 0 done or same, 1 different, diverged or faults, 2 trouble, 3 done with loss, 130 interrupted.
A command's own help has examples: blkreplay record --help
Topics are in blkreplay help filter, and others: blkreplay help --help";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Record what any client does to a block device, look at it, and make it happen again.
#[derive(Debug, Parser)]
#[command(name = "blkreplay", version, after_help = AFTER_HELP, styles = STYLES)]
#[command(disable_help_subcommand = true, max_term_width = HELP_COLUMNS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// When to use colour; auto is on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    #[arg(hide_default_value = true)]
    pub(crate) color: Color,

    /// Say less: errors and warnings only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,

    /// Say more: what happens on the way
    #[arg(short, long, global = true)]
    verbose: bool,

    /// How much to say when neither -q nor -v says it
    #[arg(long, global = true, value_name = "LEVEL", value_enum, default_value_t)]
    #[arg(env = "BLKREPLAY_LOG", hide_default_value = true, hide_env_values = true)]
    log: Verbosity,
}

impl GlobalArgs {
    /// How much is to be said on standard error.
    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => self.log,
        }
    }
}

/// What the command line asked for.
pub(crate) enum Parsed {
    /// A command to run.
    Run(Box<Cli>),
    /// Text that was asked for.
    Tell(String, Color),
    /// Why the command line makes no sense.
    Refuse(String, Color),
}

/// Reads the command line. `arguments` begins with the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Parsed {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.len() <= 1 {
        return Parsed::Tell(GREETING.to_owned(), Color::Auto);
    }
    let color = wanted_color(&arguments);
    // The printer decides on colour, when it knows where the text goes.
    let command = Cli::command().color(ColorChoice::Always);
    let parsed =
        command.try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => Parsed::Run(Box::new(cli)),
        Err(error) => {
            let text = error.render().ansi().to_string();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Parsed::Tell(text, color),
                _ => Parsed::Refuse(text, color),
            }
        }
    }
}

/// The value of `--color`, for the texts that are printed before the command line has been understood.
fn wanted_color(arguments: &[OsString]) -> Color {
    let ours = arguments.split(|argument| argument == "--").next().unwrap_or_default();
    let mut color = Color::Auto;
    for (place, argument) in ours.iter().enumerate() {
        let value = match argument.to_str() {
            Some("--color") => ours.get(place + 1).and_then(|value| value.to_str()),
            Some(argument) => argument.strip_prefix("--color="),
            None => None,
        };
        if let Some(Ok(value)) = value.map(|value| clap::ValueEnum::from_str(value, false)) {
            color = value;
        }
    }
    color
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_grammar_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_and_exit_codes_in_its_help() {
        for command in Cli::command().get_subcommands() {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for part in ["Examples:", "Exit codes:"] {
                assert!(after.contains(part), "{} has no {part}", command.get_name());
            }
            for line in after.lines().filter(|line| line.starts_with("  blkreplay")) {
                assert!(
                    line.trim().starts_with(&format!("blkreplay {}", command.get_name())),
                    "{line} is no example of {}",
                    command.get_name()
                );
            }
        }
    }

    #[test]
    fn help_is_not_broken_in_the_middle_of_a_line_that_was_broken_by_hand() {
        let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
        for command in Cli::command().get_subcommands() {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = after.lines().collect();
            for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| is_prose(line))) {
                assert!(pair[0].len() <= HELP_COLUMNS, "{}: {}", command.get_name(), pair[0]);
            }
        }
    }

    #[test]
    fn what_is_said_below_the_options_of_replay_fits_a_terminal_of_80_columns() {
        let cli = Cli::command();
        let replay = cli.find_subcommand("replay").unwrap();
        let after = replay.get_after_help().unwrap().to_string();
        let long: Vec<&str> = after.lines().filter(|line| line.chars().count() > 80).collect();
        assert_eq!(long, [""; 0]);
    }

    #[test]
    fn colour_is_found_before_the_command_line_is_understood() {
        for (line, color) in [
            ("blkreplay --help", Color::Auto),
            ("blkreplay --color never --help", Color::Never),
            ("blkreplay --help --color=always", Color::Always),
            ("blkreplay record -- ls --color=always", Color::Auto),
            ("blkreplay --color", Color::Auto),
        ] {
            assert_eq!(wanted_color(&words(line)), color, "{line}");
        }
    }

    #[test]
    fn a_command_line_without_a_command_greets() {
        assert!(
            matches!(parse(words("blkreplay")), Parsed::Tell(text, _) if text.contains("demo"))
        );
        assert!(matches!(parse(words("blkreplay --nonsense")), Parsed::Refuse(..)));
        assert!(matches!(parse(words("blkreplay --version")), Parsed::Tell(..)));
    }
}
