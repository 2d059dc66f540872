//! Traces that were compared, for people at a terminal. A pair comes in, lines go out.
//!
//! Trouble is not told here: it goes to standard error. Invariants: what is the same is one line; the verdict is the last line but
//! for hints, and begins with its word.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use blkreplay_core::diff::{Compared, Counts, Shown as ShownEvent, Which};
use blkreplay_core::limits::DIFF_KEPT_MAX;

use super::sections::{self, Section};
use super::words::Words;
use super::{Found, Pair, SideTold, Verdict, budgets, places, rule, warning_words};
use crate::output::printable;
use crate::words::{Count, counted, shell_word};

/// Columns of a terminal that lines are made for.
const COLUMNS: usize = 80;

/// How much is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Differences, with what is known of them.
    Full,
    /// How many there are where.
    Counts,
}

/// Writes lines.
pub(crate) struct Text {
    pub(crate) detail: Detail,
    pub(crate) colored: bool,
}

impl Text {
    /// Writes what is said of all pairs, each under its name if there are several.
    pub(crate) fn write_all(&self, pairs: &[Pair], out: &mut impl Write) -> io::Result<()> {
        let told = pairs.iter().filter(|pair| !matches!(pair.found, Found::Trouble(_)));
        for (number, pair) in told.enumerate() {
            if pairs.len() > 1 {
                let bold = self.plain_bold();
                let gap = if number > 0 { "\n" } else { "" };
                writeln!(out, "{gap}{bold}{}{bold:#}", printable(&pair.base.path))?;
            }
            self.write(pair, out)?;
        }
        Ok(())
    }

    /// Writes what is said of a pair.
    fn write(&self, pair: &Pair, out: &mut impl Write) -> io::Result<()> {
        match &pair.found {
            Found::Trouble(_) => Ok(()),
            Found::Only(which) => self.only(pair, *which, out),
            Found::Report(_) | Found::Logs(_) => self.compared(pair, out),
        }
    }

    fn only(&self, pair: &Pair, which: Which, out: &mut impl Write) -> io::Result<()> {
        let (there, missing) = match which {
            Which::Base => (&pair.base, &pair.new),
            Which::New => (&pair.new, &pair.base),
        };
        let style = self.style(Verdict::Different);
        let (there, missing) = (printable(&there.path), printable(&missing.path));
        writeln!(out, "{style}different{style:#}: {there} is there, and {missing} is not")
    }

    fn compared(&self, pair: &Pair, out: &mut impl Write) -> io::Result<()> {
        let verdict = pair.verdict();
        let is_short = verdict == Verdict::Same && self.detail == Detail::Full;
        if !is_short || !pair.budgets.is_empty() {
            self.head(pair, out)?;
            self.sections(&sections::of(pair), out)?;
            self.budgets(pair, out)?;
            writeln!(out)?;
        }
        let warned = self.bold(AnsiColor::Yellow);
        for warning in &pair.warnings {
            writeln!(out, "{warned}warning{warned:#}: {}", warning_words(warning))?;
        }
        self.verdict(pair, out)
    }

    fn head(&self, pair: &Pair, out: &mut impl Write) -> io::Result<()> {
        let bold = self.plain_bold();
        let paths = [&pair.base, &pair.new].map(|side| printable(&side.path).into_owned());
        let width = paths.iter().map(|path| path.chars().count()).max().unwrap_or(0);
        for (label, side, path) in [("base", &pair.base, &paths[0]), ("new", &pair.new, &paths[1])]
        {
            let line = format!("{path:<width$}  {}", side_words(side));
            writeln!(out, "{bold}{label:<4}{bold:#}  {}", line.trim_end())?;
        }
        let words = rule::words(&pair.rule);
        writeln!(out, "{bold}rule{bold:#}  {}", printable(&words))
    }

    fn sections(&self, all: &[Section], out: &mut impl Write) -> io::Result<()> {
        if !all.is_empty() {
            writeln!(out)?;
        }
        let shown = self.shown(all);
        let more = more(all);
        let width = shown.iter().map(|one| one.place.chars().count()).max().unwrap_or(0);
        for section in shown {
            let Section { place, counts, .. } = section;
            let sign = places::sign(counts);
            let style = self.sign_style(sign);
            let words = places::counts(counts);
            let gap = if width == 0 { "" } else { "  " };
            let mut line = format!("{place:<width$}{gap}{words}");
            if counts.masked > 0 {
                line = format!("{line:<60}  {} masked", Count(counts.masked));
            }
            writeln!(out, "{style}{sign} {}{style:#}", line.trim_end())?;
            if self.detail == Detail::Full {
                self.items(section, more, out)?;
            }
        }
        let left = all[shown.len()..].iter().filter(|one| !one.is_same());
        let (mut number, mut counts) = (0, Counts::default());
        for section in left {
            number += 1;
            counts += Counts { same: 0, masked: 0, ..section.counts };
        }
        if number == 0 {
            return Ok(());
        }
        let has_epochs = all.last().is_some_and(|one| one.epoch.is_some());
        let places = counted(number, if has_epochs { "more epoch" } else { "more place" });
        let counts = places::counts(&counts);
        let more = more.map(|more| format!(" ({more})")).unwrap_or_default();
        writeln!(out, "  … {places} with differences: {counts}{more}")
    }

    /// The sections that are shown: with differences in full, no more than up to the last of which something is told.
    fn shown<'all>(&self, all: &'all [Section]) -> &'all [Section] {
        let last = all.iter().rposition(|section| !section.items.is_empty());
        match (self.detail, last) {
            (Detail::Full, Some(last)) => {
                // What is the same behind the last difference belongs to the picture.
                let next = all.get(last + 1).filter(|section| section.is_same());
                &all[..last + 1 + usize::from(next.is_some())]
            }
            _ => all,
        }
    }

    fn items(&self, section: &Section, more: Option<&str>, out: &mut impl Write) -> io::Result<()> {
        let words = || section.items.iter().map(|item| &item.words);
        let asked = words().map(|one| one.request.chars().count()).max().unwrap_or(0);
        let ids = words().map(|one| one.ids.chars().count()).max().unwrap_or(0);
        for one in words() {
            self.difference(one, (asked, ids), out)?;
        }
        if section.left() > 0 && !section.items.is_empty() {
            let more = more.map(|more| format!(", {more}")).unwrap_or_default();
            writeln!(out, "    … {} more here{more}", Count(section.left()))?;
        }
        Ok(())
    }

    fn difference(
        &self,
        words: &Words,
        (asked, ids): (usize, usize),
        out: &mut impl Write,
    ) -> io::Result<()> {
        let style = self.sign_style(words.sign);
        let head = format!("{:<asked$}  {:<ids$}", words.request, words.ids);
        let changes = words.changes.join("  ");
        let one_line = 6 + head.chars().count() + 2 + changes.chars().count();
        let sign = words.sign;
        if one_line <= COLUMNS {
            let line = format!("{head}  {changes}");
            writeln!(out, "    {style}{sign}{style:#} {}", line.trim_end())?;
        } else {
            writeln!(out, "    {style}{sign}{style:#} {}", head.trim_end())?;
            for change in &words.changes {
                writeln!(out, "         {change}")?;
            }
        }
        words.details.iter().try_for_each(|line| writeln!(out, "         {line}"))
    }

    fn budgets(&self, pair: &Pair, out: &mut impl Write) -> io::Result<()> {
        if pair.budgets.is_empty() {
            return Ok(());
        }
        let bold = self.plain_bold();
        writeln!(out, "\n{bold}budgets{bold:#}")?;
        for (row, budget) in budgets::rows(&pair.budgets).iter().zip(&pair.budgets) {
            let style = if budget.is_over() { self.bold(AnsiColor::Red) } else { Style::new() };
            writeln!(out, "{style}{}{style:#}", row.trim_end())?;
        }
        Ok(())
    }

    fn verdict(&self, pair: &Pair, out: &mut impl Write) -> io::Result<()> {
        let verdict = pair.verdict();
        let style = self.style(verdict);
        let words = verdict_words(pair);
        writeln!(out, "{style}{}{style:#}: {words}", verdict.name())?;
        let hinted = if self.colored { AnsiColor::Cyan.on_default() } else { Style::new() };
        hints(pair).iter().try_for_each(|hint| writeln!(out, "  {hinted}hint{hinted:#}: {hint}"))
    }

    fn style(&self, verdict: Verdict) -> Style {
        self.bold(match verdict {
            Verdict::Same => AnsiColor::Green,
            Verdict::Different | Verdict::Trouble => AnsiColor::Red,
        })
    }

    fn sign_style(&self, sign: char) -> Style {
        let color = match sign {
            '~' => AnsiColor::Yellow,
            '+' => AnsiColor::Green,
            '-' => AnsiColor::Red,
            '>' => AnsiColor::Cyan,
            _ => return Style::new(),
        };
        if self.colored { color.on_default() } else { Style::new() }
    }

    fn bold(&self, color: AnsiColor) -> Style {
        if self.colored { color.on_default().bold() } else { Style::new() }
    }

    fn plain_bold(&self) -> Style {
        if self.colored { Style::new().bold() } else { Style::new() }
    }
}

/// What shows more of the differences than is shown, if anything does.
fn more(all: &[Section]) -> Option<&'static str> {
    let shown: usize = all.iter().map(|section| section.items.len()).sum();
    let there: u64 = all.iter().map(|section| section.counts.differences()).sum();
    match (shown < DIFF_KEPT_MAX, there <= DIFF_KEPT_MAX as u64) {
        (false, _) => None,
        (true, true) => Some("-n 0 for all"),
        (true, false) => Some("-n 0 for more"),
    }
}

/// The verdict without its word.
pub(super) fn verdict_words(pair: &Pair) -> String {
    match &pair.found {
        Found::Trouble(trouble) => return trouble.message.clone(),
        Found::Only(_) => return "only one of the two is there".to_owned(),
        Found::Report(_) | Found::Logs(_) => {}
    }
    let counts = &pair.counts();
    if pair.stopped() {
        let same = Count(counts.same);
        return format!("stopped at the first difference, {same} same before it");
    }
    if pair.verdict() == Verdict::Different {
        return places::totals(counts, pair.over());
    }
    let thing = if matches!(pair.found, Found::Logs(_)) { "event" } else { "request" };
    let mut words = counted(counts.same, thing);
    if let Some(epochs) = pair.base.epochs {
        words = format!("{words} in {}", counted(epochs, "epoch"));
    }
    let mut notes = vec![format!("align {}", pair.rule.rule.align.name())];
    notes.extend((counts.masked > 0).then(|| format!("{} masked", Count(counts.masked))));
    format!("{words} ({})", notes.join(", "))
}

/// What to do next about a difference.
fn hints(pair: &Pair) -> Vec<String> {
    let [base, new] = match &pair.found {
        Found::Report(report) => {
            let shown = report.runs.iter().find_map(|run| run.kept.first());
            let Some(first) = shown.or(report.first.as_ref()) else { return Vec::new() };
            let id = |side: &[Compared]| side.first().map(|one| format!("'{}'", one.id));
            [id(&first.difference.base), id(&first.difference.new)]
        }
        Found::Logs(logs) => {
            let Some(first) = logs.report.differences.first() else { return Vec::new() };
            let index = |event: &ShownEvent| format!("event:{}", event.index);
            [&first.base, &first.new].map(|side| side.as_ref().map(index))
        }
        Found::Only(_) | Found::Trouble(_) => return Vec::new(),
    };
    let found = new.map(|at| (&pair.new, at)).or(base.map(|at| (&pair.base, at)));
    let Some((side, at)) = found.filter(|(side, _)| !side.is_text && side.path != "-") else {
        return Vec::new();
    };
    let path = shell_word(&side.path);
    let mut hints = vec![format!("look at it: blkreplay print {path} --at {at}")];
    let is_kept = matches!(pair.found, Found::Report(_)) && pair.base.path != "-";
    if is_kept && pair.new.path != "-" {
        let [base, new] = [&pair.base, &pair.new].map(|side| shell_word(&side.path));
        hints.push(format!("accept it: blkreplay bless {base} {new}"));
    }
    hints.iter().map(|hint| printable(hint).into_owned()).collect()
}

fn side_words(side: &SideTold) -> String {
    let requests = side.requests.map(|requests| counted(requests, "request"));
    let events = side.events.map(|events| counted(events, "event"));
    let epochs = side.epochs.map(|epochs| counted(epochs, "epoch"));
    let recorded = side.recorded.as_ref().map(|day| format!("recorded {day}"));
    let cut = (side.complete == Some(false)).then(|| "CUT".to_owned());
    let words = [requests, events, epochs, recorded, cut];
    words.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use blkreplay_core::diff::Kind;

    use super::*;

    #[test]
    fn more_is_promised_only_of_what_is_kept() {
        let words = Words {
            sign: '+',
            request: String::new(),
            ids: String::new(),
            changes: Vec::new(),
            details: Vec::new(),
        };
        let item = sections::Item { kind: Kind::Added, fields: Vec::new(), words, line: None };
        let section = |there, shown| {
            let mut counts = Counts::default();
            counts.kinds[Kind::Added as usize] = there;
            let items = vec![item.clone(); shown];
            Section { place: String::new(), epoch: None, counts, items }
        };
        let most = DIFF_KEPT_MAX as u64;
        assert_eq!(more(&[section(most, 20)]), Some("-n 0 for all"));
        assert_eq!(more(&[section(most, 20), section(1, 0)]), Some("-n 0 for more"));
        assert_eq!(more(&[section(1, 1), section(most, DIFF_KEPT_MAX - 1)]), None);
    }
}
