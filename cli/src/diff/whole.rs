//! Whether all is there that is to be compared: refuses traces of which something is missing, or says how far they are compared.
//! Surveys and extents come in, failures and warnings go out.

use std::path::Path;

use blkreplay_core::diff::{Extent, Fact, Rule, Until, Warning};
use blkreplay_core::format::{Header, PayloadPolicy, Survey};

use super::trouble::{self, ALLOW_HINT};
use crate::failure::Failure;
use crate::input;
use crate::trace::Damage;
use crate::words::counted;

/// Refuses a trace of which not all is there that is to be compared.
pub(super) fn refuse(
    survey: &Survey,
    path: &Path,
    rule: &Rule,
    damage: Damage,
) -> Result<(), Failure> {
    refuse_no_data(survey, path, rule)?;
    if damage == Damage::Allowed {
        return Ok(());
    }
    let hint = match survey.loss {
        Some(_) => ALLOW_HINT,
        None => "--allow-truncated  compares what there is",
    };
    refuse_loss(survey, path).map_err(|failure| failure.hint(hint))
}

/// The same of a trace beside a text, which has no place up to which it could be compared.
pub(super) fn refuse_beside_text(
    survey: &Survey,
    path: &Path,
    rule: &Rule,
    damage: Damage,
) -> Result<(), Failure> {
    refuse_no_data(survey, path, rule)?;
    refuse_loss(survey, path).map_err(|failure| match damage {
        Damage::Refused => failure.hint("two traces can be compared with --allow-truncated"),
        Damage::Allowed => {
            Failure::because("a text and a cut trace cannot be compared", failure.to_string())
                .coded("text")
                .hint("compare two traces")
        }
    })
}

fn refuse_no_data(survey: &Survey, path: &Path, rule: &Rule) -> Result<(), Failure> {
    let name = input::name(path).display().to_string();
    let Header { payload, .. } = survey.header;
    if payload == PayloadPolicy::None && rule.facts.has(Fact::Payload) {
        return Err(Failure::new(format!("{name} says nothing of what was read and written"))
            .coded("no-payloads")
            .hint("--ignore payload  compares all but that")
            .hint("record with --payload hash, or more, to compare it"));
    }
    Ok(())
}

/// Refuses a trace that is not whole.
pub(super) fn refuse_loss(survey: &Survey, path: &Path) -> Result<(), Failure> {
    let name = input::name(path).display().to_string();
    if let Some(loss) = &survey.loss {
        return Err(trouble::not_whole(Some(path), &name, loss));
    }
    match survey.facts.lost {
        0 => Ok(()),
        lost => Err(Failure::new(format!("{} are missing in {name}", counted(lost, "event")))
            .coded("events-dropped")),
    }
}

/// Refuses to compare nothing: it would be the same.
pub(super) fn refuse_nothing(until: &Until) -> Result<(), Failure> {
    let (is_nothing, what) = match until {
        Until::End => (false, ""),
        Until::Place(place) => (*place == 0, "request"),
        Until::Epochs(epochs) => (epochs.iter().all(|epochs| *epochs == 0), "epoch"),
    };
    if !is_nothing {
        return Ok(());
    }
    let what = format!("no {what} is whole on both sides: nothing can be compared");
    let failure = Failure::new(what).coded("truncated");
    Err(match until {
        Until::Epochs(_) => {
            failure.hint("--align order  compares requests up to the first that is not whole")
        }
        Until::End | Until::Place(_) => failure,
    })
}

/// What is left out of a comparison of sides that are not whole.
pub(super) fn cut(extents: &[Extent; 2], until: &Until, paths: [&Path; 2]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |message| warnings.push(Warning { code: "truncated", message, at: None });
    for (extent, path) in extents.iter().zip(paths) {
        if let Some(loss) = &extent.loss {
            warn(format!("{} is not whole: {loss}", input::name(path).display()));
        }
        if extent.dropped > 0 {
            let events = counted(extent.dropped, "event");
            warn(format!("{events} are missing in {}", input::name(path).display()));
        }
    }
    match until {
        Until::End => {}
        Until::Place(place) => {
            warn(format!(
                "only the first {} of each side are compared",
                counted(*place, "request")
            ));
        }
        Until::Epochs(epochs) => {
            let epochs = counted(epochs.iter().sum(), "epoch");
            warn(format!("only {epochs} are compared, which are whole on both sides"));
        }
    }
    warnings
}
