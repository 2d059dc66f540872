//! How somebody wants the inspector: what `blkreplay.toml` and the terminal say. A trace's path in, settings out.

use std::env;
use std::path::{Path, PathBuf};

use blkreplay_tui::look::{self, Glyphs, Look, Theme};
use blkreplay_tui::settings::Settings;

use crate::config::{Config, FILE_NAME, Inspect, Said};
use crate::failure::Failure;
use crate::looking;
use crate::printer::Printer;

/// How somebody wants it who says no more than the file near a trace.
pub(crate) fn near(trace: &Path, printer: &Printer) -> Result<Settings, Failure> {
    let file = Config::near(trace)?.inspect;
    let glyphs = file.glyphs.as_ref().and_then(|said| said.value);
    let theme = file.theme.as_ref().map(|said| said.value).unwrap_or_default();
    settings(file, look(theme, glyphs, printer))
}

/// What a file says, with this look.
pub(crate) fn settings(file: Inspect, look: Look) -> Result<Settings, Failure> {
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let (copy_command, remark) = copying(file.copy_command.as_ref(), home.as_deref())?;
    Ok(Settings {
        look,
        keymap: file.keymap(),
        has_mouse: file.mouse.is_none_or(|said| said.value),
        colors: file.colors.into_iter().map(|said| said.value).collect(),
        filters: file.filters.into_iter().map(|said| said.value).collect(),
        copy_command,
        journal: looking::journal(),
        remark,
    })
}

/// Who gets what is copied, as the file in the home folder has it; and that another file says so too, which may be somebody else's and
/// does not say what is run here.
fn copying(
    near: Option<&Said<Vec<String>>>,
    home: Option<&Path>,
) -> Result<(Vec<String>, Option<String>), Failure> {
    let path = home.map(|home| home.join(FILE_NAME)).filter(|path| path.is_file());
    let own = path.map(|path| Config::at(&path)).transpose()?;
    let own = own.and_then(|own| own.inspect.copy_command).map(|said| said.value);
    let foreign = near.filter(|said| Some(&said.value) != own.as_ref());
    let remark = foreign.map(|said| {
        format!(
            "copy-command of {} is not taken: it would run a program, and only {FILE_NAME} in your home folder says which",
            said.at
        )
    });
    Ok((own.unwrap_or_default(), remark))
}

/// How the screen looks.
pub(crate) fn look(theme: Theme, glyphs: Option<Glyphs>, printer: &Printer) -> Look {
    let terminal = look::Terminal::of(|name| env::var(name).ok());
    let look = Look::new(theme, glyphs, &terminal);
    // The terminal is standard output.
    if printer.output().is_colored() { look } else { look.without_color() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_the_file_in_the_home_folder_says_which_program_gets_what_is_copied() {
        let home = tempfile::tempdir().unwrap();
        let near = |program: &str| Said {
            value: vec![program.to_owned()],
            at: "project/blkreplay.toml:2".to_owned(),
        };
        let copying = |near: Option<&Said<Vec<String>>>| copying(near, Some(home.path())).unwrap();
        assert_eq!(copying(None), (Vec::new(), None));
        let (command, remark) = copying(Some(&near("evil")));
        assert!(command.is_empty());
        let remark = remark.unwrap();
        assert!(
            remark.starts_with("copy-command of project/blkreplay.toml:2 is not taken"),
            "{remark}"
        );
        fs::write(home.path().join(FILE_NAME), "[inspect]\ncopy-command = [\"wl-copy\"]\n")
            .unwrap();
        let own = vec!["wl-copy".to_owned()];
        assert_eq!(copying(None), (own.clone(), None));
        assert_eq!(
            copying(Some(&near("wl-copy"))),
            (own.clone(), None),
            "it is the same file, or as good"
        );
        let (command, remark) = copying(Some(&near("evil")));
        assert_eq!((command, remark.is_some()), (own, true));
    }

    #[test]
    fn a_file_in_the_home_folder_that_is_wrong_is_trouble() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(FILE_NAME), "[inspect]\ncopy-command = []\n").unwrap();
        assert!(copying(None, Some(home.path())).is_err());
        assert_eq!(copying(None, None).unwrap(), (Vec::new(), None));
    }
}
