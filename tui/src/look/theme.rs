//! Which colour each role has in each theme.
//!
//! A role comes in, as the colour by which views call it, and the colour of a theme goes out. Invariants: the default theme has no colours but
//! those of the terminal; `mono` has none.

use ratatui::style::Color;

use super::SHADES;

/// Which colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// The sixteen of the terminal.
    #[default]
    Terminal,
    /// Light on dark.
    Dark,
    /// Dark on light.
    Light,
    /// None.
    Mono,
    /// Few, far from black.
    HighContrast,
    /// Those of Okabe and Ito, which people tell apart who see fewer colours.
    Cvd,
}

/// Colours as red, green and blue.
type Rgb = [u8; 3];

/// The colours of a theme.
pub(super) enum Palette {
    /// As they are.
    Terminal,
    None,
    Own(&'static Roles),
}

/// A colour for each role.
pub(super) struct Roles {
    /// Letters, and what is behind them; `None` leaves both to the terminal.
    base: Option<(Rgb, Rgb)>,
    error: Rgb,
    good: Rgb,
    write: Rgb,
    read: Rgb,
    flush: Rgb,
    other: Rgb,
    discard: Rgb,
}

const DARK: Roles = Roles {
    base: Some(([0xe6, 0xed, 0xf3], [0x0d, 0x11, 0x17])),
    error: [0xff, 0x7b, 0x72],
    good: [0x3f, 0xb9, 0x50],
    write: [0xd2, 0x99, 0x22],
    read: [0x58, 0xa6, 0xff],
    flush: [0xd2, 0xa8, 0xff],
    other: [0x39, 0xc5, 0xcf],
    discard: [0x8b, 0x94, 0x9e],
};

const LIGHT: Roles = Roles {
    base: Some(([0x24, 0x29, 0x2f], [0xff, 0xff, 0xff])),
    error: [0xcf, 0x22, 0x2e],
    good: [0x11, 0x63, 0x29],
    write: [0x9a, 0x67, 0x00],
    read: [0x09, 0x69, 0xda],
    flush: [0x82, 0x50, 0xdf],
    other: [0x1b, 0x7c, 0x83],
    discard: [0x6e, 0x77, 0x81],
};

const HIGH_CONTRAST: Roles = Roles {
    base: Some(([0xff, 0xff, 0xff], [0x00, 0x00, 0x00])),
    error: [0xff, 0x87, 0x87],
    good: [0x87, 0xff, 0x87],
    write: [0xff, 0xff, 0x00],
    read: [0x87, 0xd7, 0xff],
    flush: [0xff, 0xaf, 0xff],
    other: [0x00, 0xff, 0xff],
    discard: [0xd0, 0xd0, 0xd0],
};

/// Okabe and Ito, "Color Universal Design", 2008.
const CVD: Roles = Roles {
    base: None,
    error: [0xd5, 0x5e, 0x00],
    good: [0x00, 0x9e, 0x73],
    write: [0xe6, 0x9f, 0x00],
    read: [0x00, 0x72, 0xb2],
    flush: [0xcc, 0x79, 0xa7],
    other: [0x56, 0xb4, 0xe9],
    discard: [0x99, 0x99, 0x99],
};

/// Cividis at equal steps: each is lighter than the one before, to every eye.
const CIVIDIS: [Rgb; SHADES as usize] = [
    [0, 34, 78],
    [18, 53, 112],
    [59, 73, 108],
    [87, 93, 109],
    [112, 113, 115],
    [138, 134, 120],
    [165, 156, 116],
    [195, 179, 105],
    [225, 204, 85],
    [254, 232, 56],
];

/// From this step on letters on it are black.
const LIGHT_STEP: u8 = 5;

impl Theme {
    /// All, by their names.
    pub const ALL: [(Theme, &'static str); 6] = [
        (Theme::Terminal, "default"),
        (Theme::Dark, "dark"),
        (Theme::Light, "light"),
        (Theme::Mono, "mono"),
        (Theme::HighContrast, "high-contrast"),
        (Theme::Cvd, "cvd"),
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Theme> {
        Theme::ALL.iter().find(|(_, known)| *known == name).map(|(theme, _)| *theme)
    }

    pub(super) fn palette(self) -> Palette {
        match self {
            Theme::Terminal => Palette::Terminal,
            Theme::Mono => Palette::None,
            Theme::Dark => Palette::Own(&DARK),
            Theme::Light => Palette::Own(&LIGHT),
            Theme::HighContrast => Palette::Own(&HIGH_CONTRAST),
            Theme::Cvd => Palette::Own(&CVD),
        }
    }
}

impl Palette {
    /// The colours of a letter, and of what is behind it, of these roles.
    pub(super) fn colors(&self, front: Color, back: Color) -> (Color, Color) {
        let is_shade = matches!(front, Color::Indexed(step) if step < SHADES);
        match self {
            Palette::None => (Color::Reset, Color::Reset),
            Palette::Terminal if is_shade => (Color::Reset, back),
            Palette::Terminal => (front, back),
            Palette::Own(roles) => match front {
                Color::Indexed(step @ 1..SHADES) => shaded(step),
                _ => (roles.front(front), roles.back(back)),
            },
        }
    }
}

/// A sign on its shade.
fn shaded(step: u8) -> (Color, Color) {
    let front = if step < LIGHT_STEP { [0xff; 3] } else { [0; 3] };
    (color(front), color(CIVIDIS[usize::from(step)]))
}

impl Roles {
    fn front(&self, role: Color) -> Color {
        let base = self.base.map_or(Color::Reset, |(front, _)| color(front));
        self.of(role).unwrap_or(base)
    }

    fn back(&self, role: Color) -> Color {
        let base = self.base.map_or(Color::Reset, |(_, back)| color(back));
        self.of(role).unwrap_or(base)
    }

    fn of(&self, role: Color) -> Option<Color> {
        let known = match role {
            Color::Red | Color::LightRed => self.error,
            Color::Green | Color::LightGreen => self.good,
            Color::Yellow | Color::LightYellow => self.write,
            Color::Blue | Color::LightBlue => self.read,
            Color::Magenta | Color::LightMagenta => self.flush,
            Color::Cyan | Color::LightCyan => self.other,
            Color::DarkGray | Color::Gray => self.discard,
            _ => return None,
        };
        Some(color(known))
    }
}

fn color([red, green, blue]: Rgb) -> Color {
    Color::Rgb(red, green, blue)
}

/// The nearest of the 240 colours that terminals with 256 have in common: a cube of six steps each way, and greys.
pub(super) fn nearest(wanted: Rgb) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let far = |one: u8, other: u8| u32::from(one.abs_diff(other)).pow(2);
    let steps = |at: u8| [at / 36, at / 6 % 6, at % 6].map(|step| STEPS[usize::from(step)]);
    let cube = (0..216).map(|at| (16 + at, steps(at)));
    let greys = (0..24).map(|at| (232 + at, [8 + 10 * at; 3]));
    let distance =
        |has: &Rgb| has.iter().zip(wanted).map(|(one, other)| far(*one, other)).sum::<u32>();
    cube.chain(greys).min_by_key(|(_, has)| distance(has)).map_or(16, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_reads_back_by_its_name() {
        for (theme, name) in Theme::ALL {
            assert_eq!(Theme::named(name), Some(theme));
        }
        assert_eq!(Theme::named("solarized"), None);
    }

    #[test]
    fn a_colour_that_a_terminal_has_is_its_own_nearest() {
        for (rgb, index) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([95, 135, 175], 67),
            ([0xd5, 0x5e, 0x00], 166),
            ([118, 118, 118], 243),
        ] {
            assert_eq!(nearest(rgb), index, "{rgb:?}");
        }
    }

    #[test]
    fn each_shade_is_lighter_than_the_one_before() {
        let light = |[red, green, blue]: Rgb| {
            u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114
        };
        assert!(CIVIDIS.windows(2).all(|pair| light(pair[0]) < light(pair[1])));
    }
}
