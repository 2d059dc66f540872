//! The list of commands. Each lives in a module of its own, with its options, its help and its `run`.

mod anonymize;
mod bless;
mod check;
mod compact;
mod config;
mod demo;
mod diff;
mod generate;
mod help;
mod info;
mod inspect;
pub(crate) mod mark;
mod merge;
pub(crate) mod print;
mod record;
mod recover;
mod replay;
mod review;
mod slice;
mod stats;
mod test;

use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;

/// Declares the commands: a line each, with the type of its options. That type's doc comment is the help,
/// and its `run` does the work.
macro_rules! commands {
    ($($command:ident($arguments:ty),)*) => {
        #[derive(Debug, clap::Subcommand)]
        pub(crate) enum Command {
            $($command($arguments),)*
        }

        /// Runs the command that was asked for.
        pub(crate) fn dispatch(command: Command, printer: &Printer) -> Result<ExitCode, Failure> {
            match command {
                $(Command::$command(arguments) => arguments.run(printer),)*
            }
        }
    };
}

commands! {
    Record(record::RecordArgs),
    Replay(replay::ReplayArgs),
    Inspect(inspect::InspectArgs),
    Print(print::PrintArgs),
    Info(info::InfoArgs),
    Stats(stats::StatsArgs),
    Diff(diff::DiffArgs),
    Test(test::TestArgs),
    Review(review::ReviewArgs),
    Bless(bless::BlessArgs),
    Config(config::ConfigArgs),
    Check(check::CheckArgs),
    Recover(recover::RecoverArgs),
    Compact(compact::CompactArgs),
    Slice(slice::SliceArgs),
    Merge(merge::MergeArgs),
    Anonymize(anonymize::AnonymizeArgs),
    Mark(mark::MarkArgs),
    Demo(demo::DemoArgs),
    Help(help::HelpArgs),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}
