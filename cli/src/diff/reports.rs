//! Reports of a comparison: in which formats, and where each goes. Options and pairs come in, files are written.
//!
//! Invariants: nothing is compared before it is known that every report has a place of its own; a file is written beside its name
//! and renamed; nothing that could be a recording, or is read for the comparison, is overwritten.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use blkreplay_core::open;

use super::texts;
use crate::failure::Failure;
use crate::output::diff::text::{Detail, Text};
use crate::output::diff::{Pair, github, html, json, jsonl, junit, markdown};
use crate::printer::Printer;
use crate::trace_file::directory_of;

/// A format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Jsonl,
    Junit,
    Github,
    Markdown,
    Html,
}

impl Format {
    /// All formats with their names.
    pub(crate) const NAMES: [(Format, &'static str); 7] = [
        (Format::Text, "text"),
        (Format::Json, "json"),
        (Format::Jsonl, "jsonl"),
        (Format::Junit, "junit"),
        (Format::Github, "github"),
        (Format::Markdown, "markdown"),
        (Format::Html, "html"),
    ];

    fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// A format and where it goes: `json`, `junit=junit.xml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormatArg {
    format: Format,
    file: Option<PathBuf>,
}

/// A text that names no format.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write text, json, jsonl, junit, github, markdown or html, and =FILE if it goes to a file")]
pub(crate) struct UnknownFormat;

impl FromStr for FormatArg {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<FormatArg, UnknownFormat> {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => return Err(UnknownFormat),
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let found = Format::NAMES.iter().find(|(_, known)| *known == name);
        Ok(FormatArg { format: found.ok_or(UnknownFormat)?.0, file })
    }
}

/// What is reported, and where to.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct ReportArgs {
    /// Report as text, json, jsonl, junit, github, markdown or html; several go to files, as in json=out.json
    #[arg(long = "format", value_name = "FORMAT[=FILE]")]
    formats: Vec<FormatArg>,

    /// Write the report that would go to standard output to FILE
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write a summary in Markdown to FILE
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,

    /// Show only how many differences there are where
    #[arg(long)]
    stat: bool,
}

/// What the environment says of where we run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ci {
    /// We run as a step of GitHub's actions.
    github: bool,
    /// The file to which a step adds its summary.
    step_summary: Option<PathBuf>,
}

impl Ci {
    pub(crate) fn of_environment() -> Ci {
        let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Ci {
            github: value("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            step_summary: value("GITHUB_STEP_SUMMARY").map(PathBuf::from),
        }
    }
}

/// What is read for a comparison.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sources<'a> {
    /// What is compared: files, or folders with files.
    pub(crate) compared: &'a [PathBuf],
    /// The file that says by what.
    pub(crate) config: Option<&'a Path>,
}

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Stdout,
    File(PathBuf),
    /// Behind what is there, no longer than a page of GitHub may be.
    Behind(PathBuf),
}

impl Place {
    /// The file, however its name was written; a link is what it leads to.
    fn file(&self) -> Option<PathBuf> {
        let (Place::File(path) | Place::Behind(path)) = self else { return None };
        let there = fs::canonicalize(path).ok();
        there.or_else(|| Some(fs::canonicalize(directory_of(path)).ok()?.join(path.file_name()?)))
    }

    fn is(&self, other: &Place) -> bool {
        self == other || self.file().is_some_and(|file| other.file() == Some(file))
    }
}

/// Reports, each with its place.
#[derive(Debug)]
pub(crate) struct Reports {
    list: Vec<(Format, Place)>,
    detail: Detail,
}

impl ReportArgs {
    /// The reports that are written. Refuses two in one place, and places that cannot be written.
    pub(crate) fn reports(&self, ci: &Ci, read: Sources) -> Result<Reports, Failure> {
        let mut list: Vec<(Format, Place)> = Vec::new();
        for FormatArg { format, file } in &self.formats {
            let file = file.as_ref().or(self.output.as_ref());
            list.push((*format, file.cloned().map_or(Place::Stdout, Place::File)));
        }
        if self.formats.iter().all(|arg| arg.file.is_some()) {
            let format =
                if ci.github && self.output.is_none() { Format::Github } else { Format::Text };
            let place = self.output.clone().map_or(Place::Stdout, Place::File);
            list.insert(0, (format, place));
        }
        list.extend(self.summary.clone().map(|file| (Format::Markdown, Place::File(file))));
        if list.iter().any(|(format, _)| *format == Format::Github) {
            let behind = ci.step_summary.clone().map(Place::Behind);
            list.extend(behind.map(|place| (Format::Markdown, place)));
        }
        for (number, (format, place)) in list.iter().enumerate() {
            check(place, read)?;
            if let Some((other, _)) = list[..number].iter().find(|(_, other)| other.is(place)) {
                let both = format!("{} and {}", other.name(), format.name());
                return Err(Failure::new(format!("{both} go to one place"))
                    .coded("usage")
                    .hint("--format FORMAT=FILE  gives a report a file of its own"));
            }
        }
        let detail = if self.stat { Detail::Counts } else { Detail::Full };
        Ok(Reports { list, detail })
    }
}

/// Refuses what cannot be written, or should not.
fn check(place: &Place, read: Sources) -> Result<(), Failure> {
    let (Place::File(path) | Place::Behind(path)) = place else { return Ok(()) };
    let cannot = |why: &str| Err(Failure::new(format!("cannot write {}: {why}", path.display())));
    if !directory_of(path).is_dir() {
        return cannot("its folder is not there");
    }
    let file = place.file();
    let holds = |folder: &PathBuf| {
        let folder = folder.is_dir().then(|| fs::canonicalize(folder).ok()).flatten();
        folder.is_some_and(|folder| file.as_ref().is_some_and(|file| file.starts_with(folder)))
    };
    if read.compared.iter().any(holds) {
        return cannot("it lies in a folder that is compared");
    }
    let Ok(there) = fs::metadata(path) else { return Ok(()) };
    if there.is_dir() {
        return cannot("it is a folder");
    }
    let is =
        |read: &Path| fs::metadata(read).is_ok_and(|read| crate::images::same_file(&read, &there));
    if read.compared.iter().any(|read| is(read)) {
        return cannot("it is one of the traces that are compared");
    }
    if read.config.is_some_and(is) {
        return cannot("it says by what traces are compared");
    }
    if there.is_file() && is_recording(path) {
        return cannot("a recording is there already");
    }
    Ok(())
}

/// Whether what is there is a trace, canonical text, or a log of QEMU.
fn is_recording(path: &Path) -> bool {
    let Ok(mut file) = File::open(path).map(BufReader::new) else { return false };
    open::begins_as_trace(&mut file).unwrap_or(false)
        || open::look(&mut file).is_ok_and(|found| found == open::Found::QemuLog)
        || texts::is_text(path).unwrap_or(false)
}

impl Reports {
    /// Writes all of them, also behind one that cannot be written.
    pub(crate) fn write(&self, pairs: &[Pair], printer: &Printer) -> Result<(), Failure> {
        let write = |(format, place): &(Format, Place)| match place {
            Place::Stdout if printer.is_quiet() => Ok(()),
            Place::Stdout => {
                let mut out = printer.output();
                let colored = out.is_colored();
                self.put(*format, pairs, colored, &mut out).map_err(Failure::output)?;
                out.finish()
            }
            Place::File(path) => self.file(*format, pairs, path).map_err(cannot_write(path)),
            Place::Behind(path) => behind(pairs, path).map_err(cannot_write(path)),
        };
        self.list.iter().map(write).fold(Ok(()), Result::and)
    }

    fn put(
        &self,
        format: Format,
        pairs: &[Pair],
        colored: bool,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let text = Text { detail: self.detail, colored: colored && format == Format::Text };
        match format {
            Format::Text => text.write_all(pairs, out),
            Format::Json => pairs.iter().try_for_each(|pair| json::write(pair, out)),
            Format::Jsonl => pairs.iter().try_for_each(|pair| jsonl::write(pair, out)),
            Format::Junit => junit::write(pairs, out),
            Format::Github => {
                text.write_all(pairs, out)?;
                github::write(pairs, out)
            }
            Format::Markdown => {
                out.write_all(markdown::summary(pairs, markdown::BYTES_MAX).as_bytes())
            }
            Format::Html => out.write_all(html::document(pairs).as_bytes()),
        }
    }

    /// Writes a file: beside its name, unless something else than a file is there.
    fn file(&self, format: Format, pairs: &[Pair], path: &Path) -> io::Result<()> {
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let mut out = io::BufWriter::new(OpenOptions::new().write(true).open(path)?);
            self.put(format, pairs, false, &mut out)?;
            return out.flush();
        }
        // Behind a link, what it leads to is written.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let beside = tempfile::Builder::new()
            .prefix(".blkreplay-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory_of(&path))?;
        let mut out = io::BufWriter::new(beside);
        self.put(format, pairs, false, &mut out)?;
        let beside = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        beside.persist(&path)?;
        Ok(())
    }
}

/// Adds a summary to those that are there.
fn behind(pairs: &[Pair], path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let there = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let room = markdown::BYTES_MAX.saturating_sub(there);
    file.write_all(markdown::summary(pairs, room).as_bytes())
}

fn cannot_write(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::because(format!("cannot write {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(formats: &[&str]) -> ReportArgs {
        let formats = formats.iter().map(|text| text.parse().unwrap()).collect();
        ReportArgs { formats, output: None, summary: None, stat: false }
    }

    fn places(args: &ReportArgs, ci: &Ci) -> Vec<(Format, Place)> {
        args.reports(ci, Sources::default()).unwrap().list
    }

    #[test]
    fn formats_are_read_as_they_are_written_and_others_are_refused() {
        for (format, name) in Format::NAMES {
            assert_eq!(name.parse(), Ok(FormatArg { format, file: None }));
            assert_eq!(format.name(), name);
            let filed = FormatArg { format, file: Some("out=1".into()) };
            assert_eq!(format!("{name}=out=1").parse(), Ok(filed));
        }
        for wrong in ["xml", "json=", "", "=out"] {
            assert_eq!(wrong.parse::<FormatArg>(), Err(UnknownFormat), "{wrong}");
        }
    }

    #[test]
    fn text_goes_to_standard_output_unless_another_format_does() {
        let here = Ci::default();
        assert_eq!(places(&args(&[]), &here), [(Format::Text, Place::Stdout)]);
        assert_eq!(places(&args(&["json"]), &here), [(Format::Json, Place::Stdout)]);
        let file = Place::File("out.xml".into());
        let both = [(Format::Text, Place::Stdout), (Format::Junit, file)];
        assert_eq!(places(&args(&["junit=out.xml"]), &here), both);
        let mut redirected = args(&["json"]);
        redirected.output = Some("out".into());
        assert_eq!(places(&redirected, &here), [(Format::Json, Place::File("out".into()))]);
    }

    #[test]
    fn in_githubs_actions_annotations_and_a_summary_are_written_unasked() {
        let ci = Ci { github: true, step_summary: Some("summary.md".into()) };
        let summary = (Format::Markdown, Place::Behind("summary.md".into()));
        let both = [(Format::Github, Place::Stdout), summary];
        assert_eq!(places(&args(&[]), &ci), both);
        assert_eq!(places(&args(&["json"]), &ci), [(Format::Json, Place::Stdout)]);
    }

    #[test]
    fn two_reports_never_go_to_one_place() {
        for formats in [&["json", "text"][..], &["json=out", "html=out"]] {
            let refused = args(formats).reports(&Ci::default(), Sources::default()).unwrap_err();
            assert!(refused.to_string().ends_with("go to one place"), "{refused}");
        }
    }

    #[test]
    fn one_place_is_one_however_its_name_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        let ci = Ci { github: true, step_summary: Some(file.clone()) };
        let dotted = folder.path().join("./out");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        for other in [&file, &dotted, &link.join("out")] {
            let both = [format!("json={}", file.display()), format!("html={}", other.display())];
            let args = args(&both.each_ref().map(String::as_str));
            args.reports(&Ci::default(), Sources::default()).unwrap_err();
            let summary = ReportArgs { summary: Some(other.clone()), formats: vec![], ..args };
            summary.reports(&ci, Sources::default()).unwrap_err();
            summary.reports(&Ci::default(), Sources::default()).unwrap();
        }
    }

    #[test]
    fn a_report_never_overwrites_a_recording_or_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("t.blkr");
        fs::write(&trace, blkreplay_core::format::MAGIC).unwrap();
        let other = folder.path().join("other");
        fs::write(&other, b"what is compared").unwrap();
        let text = folder.path().join("t.txt");
        fs::write(&text, blkreplay_core::diff::canonical::FIRST_LINE).unwrap();
        let config = folder.path().join("c.toml");
        fs::write(&config, b"").unwrap();
        let nowhere = folder.path().join("nowhere/out");
        for path in [trace.as_path(), folder.path(), &other, &text, &config, &nowhere] {
            let mut args = args(&[]);
            args.output = Some(path.to_owned());
            let read = Sources { compared: std::slice::from_ref(&other), config: Some(&config) };
            let refused = args.reports(&Ci::default(), read).unwrap_err();
            assert!(refused.to_string().starts_with("cannot write "), "{refused}");
        }
    }
}
