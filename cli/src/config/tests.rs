//! Files of all kinds, right and wrong, against what is read of them; and the schema, against the reader.

use std::path::{Path, PathBuf};

use blkreplay_core::diff::{Align, Barrier, Does};

use super::keys::{
    BIND, BUDGET, DIFF, FILTERS, IGNORE_RULE, INSPECT, INSPECT_COLOR, Key, SUITE, schema,
};
use super::{Config, find, read};

mod inspect;

/// What the sample of the book's page says.
const WHOLE: &str = r#"
[diff]
align = "order"
ignore = ["time", "payload"]
barrier = "flush,fua"
window = 1024
preset = ["ext4-times"]

[[diff.ignore-rule]]
name = "ext4 superblock times"
where = "write && off == 0"
bytes = "0x42c..0x434"
reason = "s_mtime and s_wtime are wall clock"
until = "2027-06-01"

[[diff.ignore-rule]]
name = "swap"
where = "dev == swap"
reason = "?"
until = 2020-01-01

[[diff.budget]]
name = "flushes"
metric = "count(flush)"
max-increase = "5%"
max = 100

[[diff.budget]]
name = "read tail"
metric = "p99(lat where read)"
max-increase = "10%"
max-increase-abs = "200us"
runs = 6

[suite."tests/traces/*.blkr"]
new = "target/traces/{name}.blkr"
"#;

fn config(text: &str) -> Config {
    read::read(PathBuf::from("a.toml"), "a.toml", text).unwrap_or_else(|wrong| {
        panic!("{}", wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

fn wrong(text: &str) -> String {
    let wrong = read::read(PathBuf::from("a.toml"), "a.toml", text).unwrap_err();
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn every_key_is_read_with_its_line() {
    let config = config(WHOLE);
    let align = config.align.clone().unwrap();
    assert_eq!((align.value, align.at.as_str()), (Align::Order, "a.toml:3"));
    assert_eq!(config.ignore.clone().unwrap().value, ["time", "payload"]);
    assert_eq!(config.barrier.clone().unwrap().value, Barrier::FlushFua);
    assert_eq!(config.window.clone().unwrap().value, 1024);
    assert_eq!(config.presets.as_ref().unwrap().value[0].name, "ext4-times");
    let [times, swap] = &config.rules[..] else { panic!("{:?}", config.rules) };
    assert_eq!(times.rule.at.as_deref(), Some("a.toml:9"));
    assert!(matches!(times.rule.does, Does::Mask(_)));
    assert_eq!((swap.rule.does.clone(), swap.reason.as_str()), (Does::LeaveOut, "?"));
    let [flushes, tail] = &config.budgets[..] else { panic!("{:?}", config.budgets) };
    assert_eq!((flushes.limit(), flushes.runs), ("100, +5%".to_owned(), 5));
    assert_eq!((tail.limit(), tail.runs), ("+10% && +200us".to_owned(), 6));
    assert_eq!(tail.at.as_deref(), Some("a.toml:28"));
    let suite = &config.suites[0];
    assert_eq!((suite.glob.as_str(), suite.at.as_str()), ("tests/traces/*.blkr", "a.toml:35"));
    assert!(super::Config::default().rules.is_empty());
}

#[test]
fn rules_end_with_their_day_and_a_rule_without_a_reason_is_told_of() {
    let config = config(WHOLE);
    let on = |day: &str| {
        let (rules, warnings) = config.in_force(day.parse().unwrap()).unwrap();
        let names: Vec<_> = rules.into_iter().map(|rule| rule.name).collect();
        let told: Vec<_> =
            warnings.into_iter().map(|warning| (warning.code, warning.message)).collect();
        (names, told)
    };
    let (names, told) = on("2027-06-01");
    assert_eq!(names.last().map(String::as_str), Some("ext4 superblock times"));
    assert!(names[0].starts_with("ext4-times: "));
    assert_eq!(
        told,
        [
            ("no-reason", "rule \"swap\" has no reason yet".to_owned()),
            ("expired-ignore", "rule \"swap\" held until 2020-01-01 and is off".to_owned()),
        ]
    );
    let (names, told) = on("2027-06-02");
    assert!(!names.contains(&"ext4 superblock times".to_owned()) && told.len() == 3, "{told:?}");
}

#[test]
fn an_error_has_its_line_and_a_caret_below_what_is_wrong() {
    assert_eq!(
        wrong("[diff]\nallign = \"epoch\"\n"),
        "unknown key `allign`\n  ┌─ a.toml:2:1\n2 │ allign = \"epoch\"\n  │ ^^^^^^ did you mean `align`?"
    );
    let rule = "[[diff.ignore-rule]]\nname = \"a\"\nreason = \"b\"\n";
    let filter = wrong(&format!("{rule}where = \"write && of == 0\"\n"));
    assert!(
        filter.starts_with(
            "unknown field `of`\n  ┌─ a.toml:4:19\n4 │ where = \"write && of == 0\"\n  │                   ^^ did you mean `op`?"
        ),
        "{filter}"
    );
    let escaped = wrong(&format!("{rule}where = \"\\u0077rite && of == 0\"\n"));
    assert!(
        escaped.contains("a.toml:4:9\n"),
        "what is written otherwise is shown whole: {escaped}"
    );
}

#[test]
fn what_is_wrong_is_told_whatever_it_is() {
    let rule = "[[diff.ignore-rule]]\nname = \"a\"\nreason = \"b\"\n";
    let budget = "[[diff.budget]]\nname = \"a\"\n";
    for (text, said) in [
        ("[dif]\n".to_owned(), "did you mean `diff`?"),
        ("x = 1\n".to_owned(), "there are diff, suite"),
        ("diff = 3\n".to_owned(), "a table is expected"),
        ("[diff\n".to_owned(), "this is no TOML: "),
        ("[diff]\nalign = \"epochs\"\n".to_owned(), "`align` takes one of order, epoch"),
        ("[diff]\nignore = [\"tme\"]\n".to_owned(), "there are time, id"),
        ("[diff]\nignore = \"time\"\n".to_owned(), "`ignore` takes a list of time"),
        ("[diff]\nwindow = 0\n".to_owned(), "`window` takes a number from 1 to"),
        ("[diff]\nwindow = 1.5\n".to_owned(), "this is a number with a point"),
        ("[diff]\npreset = [\"ext4\"]\n".to_owned(), "there are ext4-times"),
        ("[diff]\nignore-rule = 3\n".to_owned(), "[[diff.ignore-rule]] is expected"),
        ("[diff]\nignore-rule = [3]\n".to_owned(), "a table is expected"),
        ("[[diff.ignore-rule]]\nname = \"a\"\n".to_owned(), "`reason` is missing"),
        (format!("{rule}reazon = \"b\"\nwhere = \"write\"\n"), "did you mean `reason`?"),
        (rule.to_owned(), "the rule leaves all requests out"),
        (format!("{rule}bytes = \"8..4\"\n"), "nothing is in the range 8..4"),
        (format!("{rule}where = \"write\"\nuntil = \"soon\"\n"), "`until` takes a day"),
        (format!("{rule}where = \"write\"\nuntil = 2027-06-01T00:00:00\n"), "`until` takes a day"),
        (format!("{rule}where = \"\"\n"), "this is an empty string"),
        (format!("{budget}metric = \"count(flush)\"\n"), "the budget has no limit"),
        (format!("{budget}metric = \"count(flsh)\"\nmax = 1\n"), "unknown field `flsh`"),
        (format!("{budget}metric = \"lat\"\nmax = 1\n"), "this is said of one request"),
        (format!("{budget}metric = \"p99(lat)\"\nmax = 5\n"), "a span of time and a number"),
        (format!("{budget}metric = \"count()\"\nmax = \"5%\"\n"), "a part of a hundred of what?"),
        (format!("{budget}metric = \"count()\"\nmax-increase = \"+5%\"\n"), "cannot stand here"),
        (
            format!("{budget}metric = \"count()\"\nmax-increase = \"5\"\n"),
            "this is no part of base",
        ),
        (
            format!("{budget}metric = \"p99(lat)\"\nmax-decrease = \"200us\"\n"),
            "this is no part of base",
        ),
        (format!("{budget}metric = \"count()\"\nmax-increase-abs = \"5%\"\n"), "this is no number"),
        (format!("{budget}metric = \"count()\"\nmax = -5\n"), "`max` takes a number"),
        (
            format!("{budget}metric = \"count()\"\nmax = 5\nruns = 2\n"),
            "`runs` takes a number from 5",
        ),
        ("[suite.\"a/*.blkr\"]\nnew = \"b.blkr\"\n".to_owned(), "`{name}` is missing"),
        (
            "[suite.\"a/*-*.blkr\"]\nnew = \"{name}\"\n".to_owned(),
            "there is to be one in the last part",
        ),
        ("[suite]\na = 3\n".to_owned(), "a table with `new` is expected"),
        ("[suite.a]\n".to_owned(), "`new` is missing"),
    ] {
        let found = wrong(&text);
        assert!(found.contains(said) && found.contains("a.toml:"), "{text}\n{found}");
    }
    let all = wrong("[diff]\nalign = 1\nwindow = 0\nfoo = 2\n");
    assert_eq!(all.matches("┌─").count(), 3, "{all}");
}

#[test]
fn the_nearest_file_above_a_baseline_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b");
    std::fs::create_dir_all(&deep).unwrap();
    let put = |path: &Path| std::fs::write(path, "").unwrap();
    put(&folder.path().join("blkreplay.toml"));
    let canonical = folder.path().canonicalize().unwrap();
    assert_eq!(find(&deep.join("t.blkr")), Some(canonical.join("blkreplay.toml")));
    put(&folder.path().join("a/blkreplay.toml"));
    assert_eq!(find(&deep.join("t.blkr")), Some(canonical.join("a/blkreplay.toml")));
    assert_eq!(find(&folder.path().join("nowhere/t.blkr")), None);
}

/// Whether a document is as a schema of the few words that ours uses says.
fn is_valid(schema: &serde_json::Value, value: &serde_json::Value) -> bool {
    use serde_json::Value;
    let typed = |name: &str| match name {
        "object" => value.is_object(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("no type of ours: {other}"),
    };
    for (word, said) in schema.as_object().unwrap() {
        let holds = match (word.as_str(), said) {
            ("type", Value::String(name)) => typed(name),
            ("type", Value::Array(names)) => names.iter().any(|name| typed(name.as_str().unwrap())),
            ("enum", Value::Array(values)) => values.contains(value),
            ("minLength", _) => value.as_str().is_none_or(|text| !text.is_empty()),
            ("minimum", least) => {
                value.as_i64().is_none_or(|number| number >= least.as_i64().unwrap())
            }
            ("maximum", most) => {
                value.as_i64().is_none_or(|number| number <= most.as_i64().unwrap())
            }
            ("items", items) => {
                value.as_array().is_none_or(|values| values.iter().all(|one| is_valid(items, one)))
            }
            ("required", Value::Array(names)) => value.as_object().is_none_or(|object| {
                names.iter().all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            ("properties", properties) => value.as_object().is_none_or(|object| {
                object
                    .iter()
                    .all(|(name, one)| properties.get(name).is_none_or(|said| is_valid(said, one)))
            }),
            ("additionalProperties", Value::Bool(false)) => {
                value.as_object().is_none_or(|object| {
                    object.keys().all(|name| schema["properties"].get(name).is_some())
                })
            }
            ("additionalProperties", said) => value
                .as_object()
                .is_none_or(|object| object.values().all(|one| is_valid(said, one))),
            ("format", Value::String(format)) if format == "date" => {
                value.as_str().is_none_or(|text| text.parse::<jiff::civil::Date>().is_ok())
            }
            ("$schema" | "title" | "description", _) => true,
            (other, _) => panic!("no word of ours: {other}"),
        };
        if !holds {
            return false;
        }
    }
    true
}

/// A file of TOML as JSON, as an editor hands it to a schema.
fn as_json(text: &str) -> serde_json::Value {
    fn value(of: &toml::de::DeValue<'_>) -> serde_json::Value {
        use toml::de::DeValue;
        match of {
            DeValue::String(text) => text.as_ref().into(),
            DeValue::Integer(number) => number.as_str().parse::<i64>().unwrap().into(),
            DeValue::Float(number) => number.as_str().parse::<f64>().unwrap().into(),
            DeValue::Boolean(one) => (*one).into(),
            DeValue::Datetime(day) => day.to_string().into(),
            DeValue::Array(items) => items.iter().map(|item| value(item.get_ref())).collect(),
            DeValue::Table(table) => table
                .iter()
                .map(|(key, item)| (key.get_ref().to_string(), value(item.get_ref())))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
    let table = toml::de::DeTable::parse(text).unwrap();
    value(&toml::de::DeValue::Table(table.into_inner()))
}

#[test]
fn the_schema_takes_what_the_reader_takes_and_refuses_the_same_keys_and_kinds() {
    let schema = schema();
    assert!(is_valid(&schema, &as_json(WHOLE)));
    assert!(is_valid(&schema, &as_json(inspect::WHOLE)));
    assert!(is_valid(&schema, &as_json("")));
    for text in [
        "x = 1",
        "diff = 3",
        "[diff]\nalign = \"epochs\"",
        "[diff]\nignore = \"time\"",
        "[diff]\nignore = [\"tme\"]",
        "[diff]\nwindow = 0",
        "[diff]\nwindow = 1.5",
        "[diff]\nignore-rule = [3]",
        "[[diff.ignore-rule]]\nname = \"a\"\nwhere = \"write\"",
        "[[diff.ignore-rule]]\nname = \"\"\nreason = \"b\"\nwhere = \"write\"",
        "[[diff.ignore-rule]]\nname = \"a\"\nreason = \"b\"\nwhere = \"write\"\nuntil = \"soon\"",
        "[[diff.budget]]\nname = \"a\"\nmax = 1",
        "[[diff.budget]]\nname = \"a\"\nmetric = \"count()\"\nmax = 5\nruns = 2",
        "[suite]\na = 3",
        "[suite.a]",
        "[inspect]\ntheme = \"solarized\"",
        "[inspect]\nmouse = \"yes\"",
        "[inspect]\nkey = \"default\"",
        "[inspect.bind]\nfilter = \"f\"",
        "[inspect.bind]\nfilter = [1]",
        "[[inspect.color]]\nfilter = \"write\"",
        "[[inspect.color]]\nfilter = \"write\"\ncolor = \"orange\"",
        "[inspect.filters]\nslow = 5",
        "[inspect.filters]\nslow = \"\"",
    ] {
        assert!(!is_valid(&schema, &as_json(text)), "the schema takes {text}");
        assert!(!wrong(text).is_empty());
    }
}

/// The keys in Markdown, as the book has them.
fn tables() -> String {
    let tables: [(&str, &[Key<'_>]); 8] = [
        ("[diff]", &DIFF),
        ("[[diff.ignore-rule]]", &IGNORE_RULE),
        ("[[diff.budget]]", &BUDGET),
        ("[suite.\"GLOB\"]", &SUITE),
        ("[inspect]", &INSPECT),
        ("[inspect.bind]", &BIND),
        ("[[inspect.color]]", &INSPECT_COLOR),
        ("[inspect.filters]", &FILTERS),
    ];
    let row = |key: &Key<'_>| {
        let needed = if key.needed { ", needed" } else { "" };
        format!("| `{}` | {}{needed} | {} |\n", key.name, key.takes.words(), key.about)
    };
    let table = |(heading, keys): &(&str, &[Key<'_>])| {
        let rows: Vec<_> = keys.iter().map(row).collect();
        format!("| `{heading}` | takes | |\n|---|---|---|\n{}", rows.concat())
    };
    tables.iter().map(table).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_book_has_every_key_and_the_schema() {
    let page = include_str!("../../../book/src/reference/blkreplay-toml.md");
    assert!(page.contains(tables().trim_end()), "the tables are to be:\n{}", tables());
    let schema = format!("{:#}", schema());
    assert!(page.contains(&schema), "the schema is to be:\n{schema}");
}
