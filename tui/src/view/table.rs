//! Columns of a table of few lines. Columns that do not fit are left out, those that say least first.
//!
//! Texts and a width in, lines out. Invariant: what does not fit into its column is not cut, so that no number is another.

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) width: u16,
    pub(super) is_left: bool,
    /// Columns with a higher one go first; those with 0 stay.
    pub(super) drops: u8,
}

/// A column of numbers.
pub(super) const fn numbers(name: &'static str, width: u16, drops: u8) -> Column {
    Column { name, width, is_left: false, drops }
}

/// Which of the columns fit.
pub(super) fn fitting(columns: &[Column], width: u16) -> Vec<usize> {
    let mut fitting: Vec<usize> = (0..columns.len()).collect();
    let wide = |places: &[usize]| places.iter().map(|at| columns[*at].width + 1).sum::<u16>();
    while wide(&fitting) > width {
        let drops = |at: &usize| columns[fitting[*at]].drops;
        match (0..fitting.len()).max_by_key(drops).filter(|at| drops(at) > 0) {
            Some(at) => fitting.remove(at),
            None => break,
        };
    }
    fitting
}

/// The texts of a line, of all columns, in those that fit.
pub(super) fn line(columns: &[Column], fitting: &[usize], texts: &[String]) -> String {
    let cell = |at: &usize| {
        let (text, width) = (&texts[*at], usize::from(columns[*at].width));
        if columns[*at].is_left { format!("{text:<width$} ") } else { format!("{text:>width$} ") }
    };
    fitting.iter().map(cell).collect()
}

/// The line of names.
pub(super) fn heading(columns: &[Column], fitting: &[usize]) -> String {
    let names: Vec<String> = columns.iter().map(|column| column.name.to_owned()).collect();
    line(columns, fitting, &names)
}
