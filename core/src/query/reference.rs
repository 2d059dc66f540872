//! The tables of the book's page about filters, made from those that the checker uses.
//!
//! Tables in, Markdown out. Invariant: a field or function that exists is in them.

use std::fmt::Write;

use super::field::FIELDS;
use super::function::FUNCTIONS;

/// The table of fields, in Markdown, as the book and `blkreplay help filter` have it.
pub fn fields_table() -> String {
    let mut table = "| field | is | |\n|---|---|---|\n".to_owned();
    for field in FIELDS {
        let names = std::iter::once(&field.name).chain(field.aliases);
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        let (kind, about) = (field.kind.name(), field.about);
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {} | {kind} | {about} |", names.join(", "));
    }
    table
}

/// The tables of functions, those of one request and those over all, in Markdown.
pub fn functions_tables() -> [String; 2] {
    [false, true].map(|over_all| {
        let mut table = "| function | says |\n|---|---|\n".to_owned();
        for function in FUNCTIONS.iter().filter(|function| function.over_all == over_all) {
            let _ = writeln!(table, "| `{}` | {} |", function.form, function.about);
        }
        table
    })
}
