//! The test suite: one binary. Each module says what belongs there.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails is a test that fails")]

/// Everything that can be wrong with what comes in.
mod bad_input;
/// How texts look on their way to the clipboard of a terminal.
mod base64;
/// Real clients at work on a recorded disk, and the replay of what they did.
mod clients;
/// What stands in which column of `print --fields` and of CSV.
mod columns;
/// What holds for every command: help, streams, exit codes, closed pipes.
mod command_line;
/// The smallest form of a trace, and what is refused to become one.
mod compact;
/// Traces of later versions: what is skipped, and what is refused by name.
mod compat;
/// `diff`: two traces, what differs between them, and what is said of it.
mod diff;
/// README and book: what they show is run, where they link to is looked up.
mod docs;
/// `slice`, `merge` and `anonymize`: traces made of traces.
mod edits;
/// `print -f`: which requests are meant.
mod filters;
/// What `check --findings` finds in real recordings, and what it takes for a failure.
mod findings;
/// Traces that grow while they are read, by pages and by filters.
mod growth;
/// `inspect`: keys typed at a terminal, and what its screen shows.
mod inspect;
/// `inspect --diff`: two traces side by side, rules that ignore what differs, and a base that is replaced.
mod inspect_diff;
/// What `inspect` keeps of long QEMU logs, and where.
mod inspect_kept;
/// `inspect` of recordings that go on, of several traces, and what the command line asks for.
mod inspect_live;
/// `inspect` of QEMU logs, checkpoints and events.
mod inspect_logs;
/// `inspect`: what is taken out of it.
mod inspect_shown;
/// Sockets that are handed over, clients on standard input and output, and how a recording says that it serves.
mod listening;
/// Marks, the socket they come through, and the positions that name them.
mod marks;
/// The native fixtures, and the commands that read a trace.
mod native;
/// What the inspector reads: pages of requests, and what a filter means among them.
mod pages;
/// Masks of `diff`'s presets, against what mkfs and others write.
mod presets;
/// Logs of QEMU, real ones and hurt ones, against what others say is in them.
mod qemu_logs;
/// Images that are exports of other servers.
mod remote;
/// Replays on images: every option, and every way of getting it wrong.
mod replays;
/// Traces that are hurt: `check`, `recover`, and what a kill leaves.
mod rescue;
/// A reader written from the page on the format prints what the program prints.
mod second_reader;
/// The engine under every seed: simulated clients, connections and devices.
mod simulation;
/// What a request costs, live and compacted.
mod size;
/// `stats`: its numbers against those of others, its forms, and what it refuses.
mod stats;
/// Traces that come out of a pipe or still grow.
mod streams;
/// What tests run in: a directory, an environment, a time limit, tools.
mod support;
/// A terminal of one's own, and what is on its screen.
mod terminal;
/// The rules of the house: layers, lengths, headers, words, unused files.
mod tidy;
#[cfg(feature = "tls")]
/// TLS: real clients, files that are no good, peers that are not meant to be let in.
mod tls;
/// A trace as `print --json` tells it.
mod trace;
