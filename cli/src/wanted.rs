//! How somebody wants the inspector: what `blkreplay.toml` and the terminal say. A trace's path in, settings out.

use std::env;
use std::path::Path;

use blkreplay_tui::look::{self, Glyphs, Look, Theme};
use blkreplay_tui::settings::Settings;

use crate::config::{Config, Inspect};
use crate::failure::Failure;
use crate::printer::Printer;

/// How somebody wants it who says no more than the file near a trace.
pub(crate) fn near(trace: &Path, printer: &Printer) -> Result<Settings, Failure> {
    let file = Config::near(trace)?.inspect;
    let glyphs = file.glyphs.as_ref().and_then(|said| said.value);
    let theme = file.theme.as_ref().map(|said| said.value).unwrap_or_default();
    Ok(settings(file, look(theme, glyphs, printer)))
}

/// What a file says, with this look.
pub(crate) fn settings(file: Inspect, look: Look) -> Settings {
    Settings {
        look,
        keymap: file.keymap(),
        has_mouse: file.mouse.is_none_or(|said| said.value),
        colors: file.colors.into_iter().map(|said| said.value).collect(),
        filters: file.filters.into_iter().map(|said| said.value).collect(),
    }
}

/// How the screen looks.
pub(crate) fn look(theme: Theme, glyphs: Option<Glyphs>, printer: &Printer) -> Look {
    let terminal = look::Terminal::of(|name| env::var(name).ok());
    let look = Look::new(theme, glyphs, &terminal);
    // The terminal is standard output.
    if printer.output().is_colored() { look } else { look.without_color() }
}
