//! What filters mean, said once more: a tree is asked of a row as it stands, without types, folding or tables of getters.
//!
//! Random trees that make sense, and random rows. Invariant: what is compiled says the same.

use proptest::prelude::*;

use super::Filter;
use super::tree::{Call, Item, Items, Limits, Node, Operator, Relation, What};
use crate::event::{CompletionFlags, Payload};
use crate::request::{ConnectionId, DeviceId, Errno, Flags, Operation, Request, RequestId};
use crate::rows::{Context, Row, RowCompletion};
use crate::units::{ByteRange, Nanos};

/// What a part is, for a row that has it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meant {
    Number(i128),
    Flag(bool),
    Operation(Operation),
}

fn word(row: &Row, word: &str) -> Option<Meant> {
    let number = |value: u64| Some(Meant::Number(value.into()));
    let range = row.request.range;
    let end = row.completion.as_ref();
    match word {
        "id" => number(row.id.0),
        "off" => number(range.offset),
        "len" => number(range.length),
        "end" => number(range.offset + range.length),
        "epoch" => number(row.epoch),
        "qd" => number(row.context.depth?.into()),
        "seek" => Some(Meant::Number(row.context.seek?.into())),
        "t" => number(row.time.0),
        "lat" => number(end?.latency.0),
        "hold" => number(end?.hold.0),
        "gap" => number(row.context.gap?.0),
        "fua" => Some(Meant::Flag(row.request.flags.contains(Flags::FUA))),
        "done" => Some(Meant::Flag(end.is_some())),
        "mark" => Some(Meant::Flag(row.context.marked)),
        "err" => end?.result.is_err().then_some(Meant::Flag(true)),
        "op" => Some(Meant::Operation(row.request.operation)),
        "read" => Some(Meant::Operation(Operation::Read)),
        "write" => Some(Meant::Operation(Operation::Write)),
        "flush" => Some(Meant::Operation(Operation::Flush)),
        other => panic!("{other} is not among the words of this test"),
    }
}

fn number(row: &Row, node: &Node) -> Option<i128> {
    match &node.what {
        What::Number(value) | What::Span(value) => Some(*value),
        What::Word(name) => match word(row, name)? {
            Meant::Number(value) => Some(value),
            other => panic!("{other:?} is no number"),
        },
        What::Minus(inner) => Some(-number(row, inner)?),
        What::Arithmetic(operator, left, right) => {
            let (left, right) = (number(row, left)?, number(row, right)?);
            match operator {
                Operator::Plus => Some(left + right),
                Operator::Minus => Some(left - right),
                Operator::Times => Some(left * right),
                Operator::Over => (right != 0).then(|| left / right),
                Operator::Modulo => (right != 0).then(|| left % right),
                Operator::And => Some(left & right),
            }
        }
        What::Call(Call { name, arguments, .. }) => {
            let mut values = Vec::new();
            for argument in arguments {
                values.push(number(row, argument)?);
            }
            match name.as_str() {
                "abs" => Some(values[0].abs()),
                "min" => values.into_iter().min(),
                _ => values.into_iter().max(),
            }
        }
        other => panic!("{other:?} is no number"),
    }
}

fn within(row: &Row, value: i128, limits: &Limits) -> bool {
    if let Some(low) = &limits.low
        && number(row, low).is_none_or(|low| value < low)
    {
        return false;
    }
    let Some(high) = &limits.high else { return true };
    match number(row, high) {
        None => false,
        Some(high) => value < high || limits.inclusive && value == high,
    }
}

fn holds(row: &Row, node: &Node) -> bool {
    match &node.what {
        What::Or(parts) => parts.iter().any(|part| holds(row, part)),
        What::And(parts) => parts.iter().all(|part| holds(row, part)),
        What::Not(part) => !holds(row, part),
        What::Has(field) => match &field.what {
            What::Word(name) => word(row, name).is_some(),
            other => panic!("{other:?} is no field"),
        },
        What::Word(name) => match word(row, name) {
            Some(Meant::Flag(flag)) => flag,
            Some(Meant::Operation(operation)) => row.request.operation == operation,
            Some(Meant::Number(_)) => true,
            None => false,
        },
        What::Compare(relation, left, right) => {
            if left.what == What::Word("op".to_owned()) {
                let What::Word(name) = &right.what else { panic!("no operation") };
                let same = word(row, name) == word(row, "op");
                return same == (*relation == Relation::Equal);
            }
            let (Some(left), Some(right)) = (number(row, left), number(row, right)) else {
                return false;
            };
            match relation {
                Relation::Equal => left == right,
                Relation::NotEqual => left != right,
                Relation::Less => left < right,
                Relation::LessOrEqual => left <= right,
                Relation::Greater => left > right,
                Relation::GreaterOrEqual => left >= right,
            }
        }
        What::In { value, not, items } => {
            let Some(value) = number(row, value) else { return false };
            let found = match items {
                Items::Limits(limits) => within(row, value, limits),
                Items::Set(items) => items.iter().any(|item| match item {
                    Item::One(node) => number(row, node) == Some(value),
                    Item::Limits(limits) => within(row, value, limits),
                }),
            };
            found != *not
        }
        other => panic!("{other:?} is not among the parts of this test"),
    }
}

fn node(what: What) -> Node {
    Node { what, place: 0..0 }
}

/// Numbers made of these words and literals. Constants alone are never divided by, so that nothing is refused.
fn numbers(
    words: &'static [&'static str],
    literal: fn(i128) -> What,
    operators: &'static [Operator],
) -> BoxedStrategy<Node> {
    let leaf = prop_oneof![
        3 => prop::sample::select(words).prop_map(|word| What::Word(word.to_owned())),
        1 => (1..100_000_i128).prop_map(literal),
    ];
    leaf.prop_map(node)
        .prop_recursive(3, 8, 3, move |inner| {
            let boxed = inner.clone().prop_map(Box::new);
            let divisor = prop::sample::select(words)
                .prop_map(|word| Box::new(node(What::Word(word.to_owned()))));
            prop_oneof![
                boxed.clone().prop_map(What::Minus),
                (prop::sample::select(operators), boxed, divisor)
                    .prop_map(|(operator, left, right)| What::Arithmetic(operator, left, right)),
                (
                    prop::sample::select(vec!["min", "max"]),
                    prop::collection::vec(inner.clone(), 2..4)
                )
                    .prop_map(|(name, arguments)| call(name, arguments)),
                inner.prop_map(|argument| call("abs", vec![argument])),
            ]
            .prop_map(node)
        })
        .boxed()
}

fn call(name: &str, arguments: Vec<Node>) -> What {
    What::Call(Call { name: name.to_owned(), arguments, of: None })
}

/// Comparisons of numbers of one kind.
fn comparisons(
    numbers: &BoxedStrategy<Node>,
    words: &'static [&'static str],
) -> BoxedStrategy<What> {
    let boxed = numbers.clone().prop_map(Box::new);
    let relations = prop::sample::select(Relation::NAMES.map(|(one, ..)| one).to_vec());
    // One end is never known before, so that no range is refused for being empty.
    let low = prop::sample::select(words).prop_map(|word| node(What::Word(word.to_owned())));
    let limits = (prop::option::of(low), numbers.clone(), any::<bool>())
        .prop_map(|(low, high, inclusive)| Limits { low, high: Some(high), inclusive });
    let item =
        prop_oneof![numbers.clone().prop_map(Item::One), limits.clone().prop_map(Item::Limits)];
    let items = prop_oneof![
        limits.prop_map(|limits| Items::Limits(Box::new(limits))),
        prop::collection::vec(item, 1..4).prop_map(Items::Set),
    ];
    prop_oneof![
        (relations, boxed.clone(), boxed.clone())
            .prop_map(|(relation, left, right)| What::Compare(relation, left, right)),
        (boxed, any::<bool>(), items).prop_map(|(value, not, items)| What::In {
            value,
            not,
            items
        }),
    ]
    .boxed()
}

fn filters() -> impl Strategy<Value = Node> {
    const PLAIN: &[&str] = &["id", "off", "len", "end", "epoch", "qd", "seek"];
    const SPANS: &[&str] = &["t", "lat", "hold", "gap"];
    let all = &[
        Operator::Plus,
        Operator::Minus,
        Operator::Times,
        Operator::Over,
        Operator::Modulo,
        Operator::And,
    ];
    let plain = numbers(PLAIN, What::Number, all);
    let spans = numbers(SPANS, What::Span, &[Operator::Plus, Operator::Minus, Operator::Modulo]);
    let words = ["fua", "done", "mark", "err", "read", "flush", "lat", "gap", "seek"];
    let operation = prop::sample::select(vec!["read", "write", "flush"]);
    let relation = prop::sample::select(vec![Relation::Equal, Relation::NotEqual]);
    let named = |name: &str| Box::new(node(What::Word(name.to_owned())));
    let fields = prop::sample::select(vec!["lat", "err", "seek", "len", "qd"]);
    let leaf = prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(|word| What::Word(word.to_owned())),
        fields.prop_map(move |field| What::Has(named(field))),
        (relation, operation).prop_map(move |(relation, name)| {
            What::Compare(relation, named("op"), named(name))
        }),
        comparisons(&plain, PLAIN),
        comparisons(&spans, SPANS),
    ];
    leaf.prop_map(node).prop_recursive(3, 16, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several.clone().prop_map(What::Or),
            several.prop_map(What::And),
            inner.prop_map(|part| What::Not(Box::new(part))),
        ]
        .prop_map(node)
    })
}

fn rows() -> impl Strategy<Value = Row> {
    let small = || prop_oneof![0..20_u64, 0..200_000_u64];
    let completion =
        (any::<bool>(), small(), small()).prop_map(|(fails, latency, hold)| RowCompletion {
            result: if fails { Err(Errno::EIO) } else { Ok(()) },
            latency: Nanos(latency),
            hold: Nanos(hold),
            flags: CompletionFlags::default(),
            extents: Vec::new(),
        });
    let context = (prop::option::of(1..9_u32), prop::option::of(small()), any::<bool>()).prop_map(
        |(depth, gap, marked)| Context {
            depth,
            gap: gap.map(Nanos),
            seek: gap.map(|gap| i64::try_from(gap).unwrap() - 500),
            marked,
            ..Context::default()
        },
    );
    let operation = prop::sample::select(vec![Operation::Read, Operation::Write, Operation::Flush]);
    let numbers = [small(), small(), small(), small(), small()];
    (operation, numbers, any::<bool>(), prop::option::of(completion), context).prop_map(
        |(operation, [id, offset, length, epoch, time], fua, completion, context)| Row {
            id: RequestId(id),
            device: DeviceId(0),
            connection: ConnectionId(0),
            cookie: 0,
            request: Request {
                operation,
                range: ByteRange::new(offset, length),
                flags: if fua { Flags::FUA } else { Flags::NONE },
            },
            event: id,
            time: Nanos(time),
            early: Nanos(0),
            epoch,
            payload: Payload::Absent,
            completion,
            context,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_compiled_means_what_the_tree_says(
        tree in filters(),
        rows in prop::collection::vec(rows(), 1..8),
    ) {
        let text = tree.to_string();
        let filter = Filter::parse(&text, &[])
            .map_err(|error| TestCaseError::fail(error.shown(&text)))?;
        for row in &rows {
            prop_assert_eq!(filter.matches(row), holds(row, &tree), "{} of {:?}", text, row);
        }
    }
}
