//! `[suite]`: which baselines have which new traces. A table in, rules out, or what is wrong with them.

use toml::de::DeTable;

use super::super::SuiteRule;
use super::super::keys;
use super::{Reader, kind};

impl Reader<'_> {
    pub(super) fn suites(&mut self, table: &DeTable<'_>) {
        for (glob, value) in table {
            let Some(inner) = value.get_ref().as_table() else {
                let what = format!("this is {}", kind(value.get_ref()));
                self.is_wrong(what, value.span(), "a table with `new` is expected");
                continue;
            };
            let known = self.known(inner, value.span(), &keys::SUITE, &[]);
            let Some((new, place)) = known.text("new") else { continue };
            let stars = glob.get_ref().rsplit('/').next().unwrap_or_default().matches('*').count();
            if !new.contains("{name}") && glob.get_ref().contains(['*', '?']) {
                self.is_wrong(
                    "all baselines have the same new trace",
                    place,
                    "`{name}` is missing",
                );
                continue;
            }
            if new.contains("{name}") && stars != 1 {
                let what = "`{name}` is what the `*` of the last part stands for";
                self.is_wrong(what, glob.span(), "there is to be one in the last part");
                continue;
            }
            self.config.suites.push(SuiteRule {
                glob: glob.get_ref().to_string(),
                new: new.to_owned(),
                at: self.source.at(glob.span().start),
            });
        }
    }
}
