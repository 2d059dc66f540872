//! Names that stand for something, and which one was meant where none does.
//!
//! A word in, what it is called for out. Invariant: what is offered exists.

use super::error::QueryError;
use super::field::{FIELDS, Field, Kind, Value};
use super::function::FUNCTIONS;
use super::tree::{Node, Operator, What};
use crate::event::EventKind;
use crate::request::{DeviceId, Errno, Operation};

/// Other names of operations.
const OPERATIONS: [(&str, Operation); 3] = [
    ("zero", Operation::WriteZeroes),
    ("trim", Operation::Discard),
    ("status", Operation::BlockStatus),
];

/// What is said of names that nobody has.
pub(super) const LISTED: &str = "blkreplay help filter  lists the fields";

/// The one of `names` that `word` is most likely meant to be.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(name, word), name))
        .filter(|(distance, name)| *distance <= 2 && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

pub(super) fn operation(word: &str) -> Option<Operation> {
    let named = Operation::NAMES.iter().find(|(_, name)| *name == word).map(|(one, _)| *one);
    named.or_else(|| OPERATIONS.iter().find(|(name, _)| *name == word).map(|(_, one)| *one))
}

/// All names of operations.
fn operations() -> impl Iterator<Item = &'static str> {
    Operation::NAMES.iter().map(|(_, name)| *name).chain(OPERATIONS.iter().map(|(name, _)| *name))
}

pub(super) fn result(word: &str) -> Option<Result<(), Errno>> {
    match word {
        "ok" => Some(Ok(())),
        word => word.starts_with('E').then(|| word.parse().ok().map(Err)).flatten(),
    }
}

/// Nothing is called `word`.
pub(super) fn unknown(word: &str, node: &Node) -> QueryError {
    let fields = FIELDS
        .iter()
        .flat_map(|field| std::iter::once(field.name).chain(field.aliases.iter().copied()));
    let label = match nearest(word, fields.chain(operations())) {
        Some(near) => match Field::named(near) {
            Some(field) if field.name != near => {
                format!("did you mean `{}` (alias `{near}`)?", field.name)
            }
            _ => format!("did you mean `{near}`?"),
        },
        None if FUNCTIONS.iter().any(|function| function.name == word) => {
            return QueryError::new(
                format!("`{word}` is a function"),
                node.place.clone(),
                format!("of what? {word}(…)"),
            )
            .help(LISTED);
        }
        None => "no field, operation or errno is called that".to_owned(),
    };
    QueryError::new(format!("unknown field `{word}`"), node.place.clone(), label).help(LISTED)
}

/// The value that a name has for a field, in a trace with these devices.
pub(super) fn value(
    field: &'static Field,
    node: &Node,
    devices: &[String],
) -> Result<Value, QueryError> {
    let wrong = |label: String| {
        let what = format!("`{}` is {}", field.name, field.kind.name());
        QueryError::new(what, node.place.clone(), label)
    };
    if field.kind == Kind::Flag {
        return Err(wrong(format!("write `{}` or `!{}` alone", field.name, field.name)));
    }
    let word = match &node.what {
        What::Word(word) => word.as_str(),
        What::Arithmetic(Operator::Minus, left, right) if field.kind == Kind::Result => {
            return numbered(left, right)
                .map(Value::Result)
                .ok_or_else(|| wrong("a name is expected".to_owned()));
        }
        What::Text(text) => match str::from_utf8(text) {
            Ok(name) if field.kind == Kind::Device => name,
            Ok(name) if !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric()) => {
                return Err(wrong("a name is expected".to_owned())
                    .help(format!("names stand without quotes: {name}")));
            }
            _ => return Err(wrong("a name is expected".to_owned())),
        },
        _ => return Err(wrong("a name is expected".to_owned())),
    };
    let meant = |names: &mut dyn Iterator<Item = &str>, otherwise: String| {
        wrong(match nearest(word, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => otherwise,
        })
    };
    match field.kind {
        Kind::Operation => operation(word).map(Value::Operation).ok_or_else(|| {
            let names: Vec<_> = Operation::NAMES.iter().map(|(_, name)| *name).collect();
            meant(&mut operations(), format!("none of {}", names.join(", ")))
        }),
        Kind::Result => result(word).map(Value::Result).ok_or_else(|| {
            let mut names = Errno::NAMES.iter().map(|(_, name)| *name).chain(["ok"]);
            meant(&mut names, "neither ok nor the name of an errno, as EIO is".to_owned())
        }),
        Kind::Event => {
            let known = EventKind::NAMES.iter().find(|name| **name == word);
            known.map(|name| Value::Event(name)).ok_or_else(|| {
                let mut names = EventKind::NAMES.iter().copied();
                meant(&mut names, "no kind of event is called that".to_owned())
            })
        }
        Kind::Device => {
            let place = devices.iter().position(|name| name == word);
            let number = place.and_then(|place| u16::try_from(place).ok());
            number
                .map(|number| Value::Device(DeviceId(number)))
                .ok_or_else(|| wrong(format!("the trace has {}", devices.join(", "))))
        }
        Kind::Flag | Kind::Number | Kind::Span => Err(wrong("a number is expected".to_owned())),
        Kind::Text | Kind::Bytes => Err(wrong("a string is expected".to_owned())),
    }
}

/// `errno-117`, as an errno without a name is printed.
fn numbered(left: &Node, right: &Node) -> Option<Result<(), Errno>> {
    match (&left.what, &right.what) {
        (What::Word(word), What::Number(number)) if word == "errno" => {
            u16::try_from(*number).ok().map(|number| Err(Errno(number)))
        }
        _ => None,
    }
}
