//! Steps on documents, and chains of them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::engines::bulk::DocumentView;
use crate::plan::location::Location;
use crate::plan::model::{MappingEdits, OnFailure, Script, SetValue, Step, StepKind, Transform};
use crate::plan::selector::Selector;

pub(super) fn transform(name: &str, steps: Vec<StepKind>) -> Transform {
    let step = |kind| Step {
        kind,
        location: Location::default(),
    };
    Transform {
        name: name.to_owned(),
        indices: Selector::parse(&["*"]).unwrap(),
        steps: steps.into_iter().map(step).collect(),
        mappings: MappingEdits::default(),
        location: Location::default(),
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn rename(from: &str, to: &str) -> StepKind {
    StepKind::Rename(vec![(from.to_owned(), to.to_owned())])
}

fn drop(fields: &[&str]) -> StepKind {
    StepKind::Drop(texts(fields))
}

fn set(field: &str, value: &str) -> StepKind {
    StepKind::Set {
        field: field.to_owned(),
        value: SetValue::Constant(value.to_owned()),
        only_if_missing: false,
    }
}

fn copy(field: &str, from: &str) -> StepKind {
    StepKind::Set {
        field: field.to_owned(),
        value: SetValue::CopyOf(from.to_owned()),
        only_if_missing: false,
    }
}

fn date(fields: &[&str], from: &[&str], to: &str) -> StepKind {
    StepKind::Date {
        fields: texts(fields),
        from: texts(from),
        to: to.to_owned(),
    }
}

fn coerce(fields: Option<&[&str]>, on_failure: OnFailure) -> StepKind {
    StepKind::Coerce {
        fields: fields.map(texts),
        on_failure,
    }
}

fn jq(text: &str) -> StepKind {
    StepKind::Jq {
        script: Script {
            path: "x.jq".into(),
            text: text.to_owned(),
            file: 0,
        },
        args: Vec::new(),
    }
}

fn types() -> FieldTypes {
    FieldTypes::of_mappings(&json!({"properties": {
        "n": {"type": "long"},
        "f": {"type": "double"},
        "b": {"type": "boolean"},
        "k": {"type": "keyword", "fields": {"raw": {"type": "long"}}},
        "d": {"type": "date"},
        "o": {"properties": {"n": {"type": "integer"}}},
    }}))
}

fn through(steps: Vec<StepKind>, source: &str) -> String {
    let transforms = [transform("tidy", steps)];
    let indices = [Index {
        name: "logs".to_owned(),
        transforms: vec![0],
        types: vec![types()],
    }];
    let made = Transforms::new(&transforms, indices).unwrap();
    let outcome = made.apply_to(DocumentView {
        index: "logs",
        id: "1",
        routing: None,
        source: source.as_bytes(),
    });
    match outcome {
        Outcome::Same => "same".to_owned(),
        Outcome::Changed(bytes) => String::from_utf8(bytes).unwrap(),
        Outcome::Dropped(by) => format!("dropped by {by}"),
        Outcome::Failed(reason) => format!("! {reason}"),
    }
}

#[test]
fn each_step_changes_what_it_is_for_and_no_other_byte() {
    let iso = "date_time";
    for (step, source, expected) in [
        // rename
        (
            rename("a", "b"),
            r#"{"x": 1.0 , "a" : {"y": 2}}"#,
            r#"{"x":1.0,"b":{"y": 2}}"#,
        ),
        (rename("a", "b"), r#"{ "x" : "a" }"#, "same"),
        (
            rename("o.a", "o.b"),
            r#"{"o":[{"a":1},{"c":2},3]}"#,
            r#"{"o":[{"b":1},{"c":2},3]}"#,
        ),
        (rename("o.a", "o.b"), r#"{"o.a":1}"#, r#"{"o.b":1}"#),
        (
            rename("o.a", "b"),
            r#"{"o":{"a":1,"c":2}}"#,
            r#"{"o":{"c":2},"b":1}"#,
        ),
        (
            rename("a", "o.p.b"),
            r#"{"a":1,"o":{"c":2}}"#,
            r#"{"o":{"c":2,"p":{"b":1}}}"#,
        ),
        (
            rename("a", "b"),
            r#"{"a":1,"b":2}"#,
            "! transform `tidy`, step 1 (rename): `b` is there already",
        ),
        (
            rename("a", "o.b"),
            r#"{"a":1,"o":2}"#,
            "! transform `tidy`, step 1 (rename): `o` is no object, so that no field can be put into it",
        ),
        (
            rename("o.a", "b"),
            r#"{"o":[{"a":1}]}"#,
            "! transform `tidy`, step 1 (rename): `o.a` stands in a list or more than once, so that it can't be told which one is meant",
        ),
        (
            rename("gr\u{f6}\u{df}e", "size"),
            "{\"gr\\u00f6\u{df}e\":1}",
            r#"{"size":1}"#,
        ),
        // drop
        (
            drop(&["a", "o.b"]),
            r#"{"a":1,"k":[ 1 ],"o":{"b":2},"a":3}"#,
            r#"{"k":[ 1 ],"o":{}}"#,
        ),
        (
            drop(&["o.b"]),
            r#"{"o":[[{"b":1}],{"b":2,"c":3}],"o.b":1}"#,
            r#"{"o":[[{}],{"c":3}]}"#,
        ),
        (drop(&["z"]), r#"{"a":1}"#, "same"),
        // set
        (set("t", "\"x\""), r#"{"a":1}"#, r#"{"a":1,"t":"x"}"#),
        (set("t", "\"x\""), r#"{"t":"x"}"#, "same"),
        (
            set("o.t", "12345678901234567890123"),
            r#"{"o":[{"c":1},{}]}"#,
            r#"{"o":[{"c":1,"t":12345678901234567890123},{"t":12345678901234567890123}]}"#,
        ),
        (set("t", "1"), r#"{"t":[2],"t":3}"#, r#"{"t":1,"t":1}"#),
        (
            copy("b", "o.a"),
            r#"{"o":{"a":{ "x":1 }}}"#,
            r#"{"o":{"a":{ "x":1 }},"b":{ "x":1 }}"#,
        ),
        (copy("b", "z"), r#"{"a":1}"#, "same"),
        // date
        (
            date(&["d"], &["yyyy/MM/dd"], iso),
            r#"{"d":["2021/03/04",null]}"#,
            r#"{"d":["2021-03-04T00:00:00.000Z",null]}"#,
        ),
        (
            date(&["d"], &["epoch_second"], "epoch_millis"),
            r#"{"d":1614834367}"#,
            r#"{"d":1614834367000}"#,
        ),
        (
            date(&["d"], &["epoch_millis"], "basic_date"),
            r#"{"d":"1614816000000"}"#,
            r#"{"d":"20210304"}"#,
        ),
        (
            date(&["d"], &["epoch_millis"], "basic_date"),
            r#"{"d":1}"#,
            "! transform `tidy`, step 1 (date): `d` is 1, which is more than basic_date can hold",
        ),
        (
            date(&["d"], &["yyyy"], iso),
            r#"{"d":"soon"}"#,
            "! transform `tidy`, step 1 (date): `d` is \"soon\", which is no date of yyyy",
        ),
        (
            date(&["d"], &["yyyy"], iso),
            r#"{"d":{"x":1}}"#,
            "! transform `tidy`, step 1 (date): `d` is an object, which is no date",
        ),
        (
            date(&["d"], &["strict_date_optional_time"], iso),
            r#"{"d":"2021-03-04T00:00:00.000Z"}"#,
            "same",
        ),
        // coerce
        (
            coerce(None, OnFailure::Fail),
            r#"{"n":"12","f":" 1.50 ","b":"no","k":7.10,"d":1,"o":{"n":[1.0,"2"]},"z":"3"}"#,
            r#"{"n":12,"f":1.50,"b":false,"k":"7.10","d":1,"o":{"n":[1,2]},"z":"3"}"#,
        ),
        (
            coerce(None, OnFailure::Fail),
            r#"{"n":12,"f":1.50,"b":false,"k":"x","o":null}"#,
            "same",
        ),
        (
            coerce(None, OnFailure::Fail),
            r#"{"o.n":"5"}"#,
            r#"{"o.n":5}"#,
        ),
        (
            coerce(None, OnFailure::Fail),
            r#"{"n":"1.5"}"#,
            "! transform `tidy`, step 1 (coerce): `n` is \"1.5\", which is no whole number",
        ),
        (
            coerce(None, OnFailure::Keep),
            r#"{"n":"1.5","b":"1"}"#,
            r#"{"n":"1.5","b":true}"#,
        ),
        (
            coerce(Some(&["b"]), OnFailure::Fail),
            r#"{"n":"1","b":"on"}"#,
            r#"{"n":"1","b":true}"#,
        ),
        (
            coerce(Some(&["b"]), OnFailure::Fail),
            r#"{"b":"maybe"}"#,
            "! transform `tidy`, step 1 (coerce): `b` is \"maybe\", which is neither true nor false",
        ),
        (
            coerce(None, OnFailure::Fail),
            r#"{"n":{"x":1}}"#,
            "! transform `tidy`, step 1 (coerce): `n` is an object, which is no whole number",
        ),
        // what is no JSON
        (
            drop(&["a"]),
            r#"{"a":1"#,
            "! transform `tidy`, step 1 (drop): the source is no valid JSON",
        ),
        (jq("select(.a)"), "{}", "dropped by tidy"),
        (
            jq("error(\"x\")"),
            "{}",
            "! transform `tidy`, step 1 (jq): x",
        ),
    ] {
        assert_eq!(
            through(vec![step.clone()], source),
            expected,
            "{step:?} on {source}"
        );
    }
}

#[test]
fn steps_follow_one_another_through_scripts() {
    let steps = vec![
        rename("msg", "message"),
        jq(".message |= ascii_upcase"),
        set("tier", "\"hot\""),
        jq("."),
        drop(&["raw"]),
        jq("if .stop then empty else . end"),
    ];
    assert_eq!(
        through(steps.clone(), r#"{"msg":"a", "raw":1, "n":1.0}"#),
        r#"{"message":"A","n":1.0,"tier":"hot"}"#
    );
    assert_eq!(
        through(steps, r#"{"msg":"a","stop":true}"#),
        "dropped by tidy"
    );
}

#[test]
fn a_transform_is_for_its_indices_alone() {
    let mut logs = transform("logs", vec![set("a", "1")]);
    logs.indices = Selector::parse(&["logs-*"]).unwrap();
    let all = transform("all", vec![set("b", "2")]);
    let made = Transforms::new(&[logs, all], []).unwrap();
    assert_eq!(made.names_for("logs-1"), ["logs", "all"]);
    assert_eq!(made.names_for("shop"), ["all"]);
    let of = |index| {
        let source = b"{}";
        made.apply_to(DocumentView {
            index,
            id: "1",
            routing: None,
            source,
        })
    };
    assert_eq!(of("logs-1"), Outcome::Changed(br#"{"a":1,"b":2}"#.to_vec()));
    assert_eq!(of("shop"), Outcome::Changed(br#"{"b":2}"#.to_vec()));
}

#[test]
fn faults_of_a_transform_are_told() {
    let faulty = transform(
        "t",
        vec![
            StepKind::Rename(vec![("a".into(), "c".into()), ("b".into(), "c".into())]),
            rename("a", "a.b"),
            date(&["d"], &["dd MMM"], "date"),
            jq(". |"),
        ],
    );
    let found = check(&faulty);
    let told: Vec<_> = found
        .iter()
        .map(|it| (it.step, it.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (0, "two fields are renamed to `c`"),
            (1, "`a` can't be renamed to `a.b`"),
            (2, "`dd MMM` is no format of dates"),
            (3, "expected term, found the end"),
        ]
    );
    assert!(Transforms::new(&[faulty], []).is_err());
}

#[test]
fn a_renamed_field_keeps_its_definition() {
    let mut tidy = transform(
        "tidy",
        vec![
            rename("a.b", "c"),
            rename("x", "o.x"),
            drop(&["gone"]),
            jq(".n = 1"),
        ],
    );
    tidy.mappings.add = vec![("n".into(), json!({"type": "long"}))];
    let mut body = json!({"settings": {"s": 1}, "mappings": {"dynamic": "strict", "properties": {
        "a": {"properties": {"b": {"type": "keyword"}, "z": {"type": "ip"}}},
        "x": {"type": "date"},
        "gone": {"type": "text"},
    }}});
    let edits = mappings::apply(&mut body, [&tidy]);
    assert_eq!(
        body,
        json!({"settings": {"s": 1}, "mappings": {"dynamic": "strict", "properties": {
            "a": {"properties": {"z": {"type": "ip"}}},
            "c": {"type": "keyword"},
            "o": {"properties": {"x": {"type": "date"}}},
            "n": {"type": "long"},
        }}})
    );
    let paths: Vec<&str> = edits.iter().map(|edit| edit.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "mappings.properties.a.properties.b",
            "mappings.properties.c",
            "mappings.properties.x",
            "mappings.properties.o.properties.x",
            "mappings.properties.gone",
            "mappings.properties.n",
        ]
    );
    assert!(edits.iter().all(|edit| edit.why == "transform tidy"));
    let mut template = json!({"template": {"mappings": {"properties": {"gone": {}}}}});
    assert_eq!(
        mappings::apply(&mut template, [&tidy])[0].path,
        "template.mappings.properties.gone"
    );
}

#[test]
fn names_with_dots_and_what_names_a_field_follow_it() {
    let tidy = transform(
        "tidy",
        vec![
            rename("http", "web"),
            drop(&["user.mail"]),
            rename("client", "source.ip"),
        ],
    );
    let mut body = json!({"template": {
        "settings": {"index.sort.field": "user.mail"},
        "mappings": {"properties": {
            "http.status": {"type": "long"},
            "http.bytes": {"type": "long"},
            "user.mail": {"type": "keyword"},
            "client": {"type": "ip"},
            "source.port": {"type": "long"},
            "ip": {"type": "alias", "path": "client"},
            "status": {"type": "alias", "path": "http.status"},
            "agent": {"type": "keyword", "copy_to": ["client", "all"]},
        }},
    }});
    let edits = mappings::apply(&mut body, [&tidy]);
    assert_eq!(
        body["template"]["mappings"]["properties"],
        json!({
            "web": {"properties": {"status": {"type": "long"}, "bytes": {"type": "long"}}},
            "source.port": {"type": "long"},
            "source": {"properties": {"ip": {"type": "ip"}}},
            "ip": {"type": "alias", "path": "source.ip"},
            "status": {"type": "alias", "path": "web.status"},
            "agent": {"type": "keyword", "copy_to": ["source.ip", "all"]},
        })
    );
    let followed =
        |edit: &&crate::diff::change::Edit| edit.before.is_some() && edit.after.is_some();
    assert_eq!(edits.iter().filter(followed).count(), 3);
    assert_eq!(
        mappings::still_named(&body, &tidy),
        [(
            "template.settings.index.sort.field".to_owned(),
            "user.mail".to_owned()
        )]
    );
    // A body of templates alone gets what is added; one of some fields gets nothing.
    let mut adding = transform("add", vec![drop(&["x"])]);
    adding.mappings.add = vec![("n".into(), json!({"type": "long"}))];
    let mut empty = json!({"template": {}});
    assert!(mappings::apply_to_part(&mut empty, &adding).is_empty());
    assert_eq!(empty, json!({"template": {}}));
    mappings::apply(&mut empty, [&adding]);
    assert_eq!(
        empty["template"]["mappings"]["properties"]["n"]["type"],
        "long"
    );
}

#[test]
fn coerce_knows_a_field_by_the_name_that_it_has_at_its_turn() {
    let all = || coerce(None, OnFailure::Fail);
    let steps = vec![all(), rename("n", "m"), all(), jq(".late = \"4\""), all()];
    let mut tidy = transform("tidy", steps);
    tidy.mappings.add = vec![("late".into(), json!({"type": "long"}))];
    let body =
        json!({"mappings": {"properties": {"n": {"type": "long"}, "k": {"type": "keyword"}}}});
    let index = Index {
        name: "logs".to_owned(),
        transforms: vec![0],
        types: mappings::types_for_coerce(&body, [&tidy]),
    };
    assert_eq!(index.types.len(), 3);
    let made = Transforms::new(&[tidy], [index]).unwrap();
    let source = br#"{"n":"1","k":2,"m.x":"5"}"#;
    let outcome = made.apply_to(DocumentView {
        index: "logs",
        id: "1",
        routing: None,
        source,
    });
    let expected = br#"{"m":1,"k":"2","m.x":"5","late":4}"#.to_vec();
    assert_eq!(outcome, Outcome::Changed(expected));
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::hash_map("[a-z]{1,3}", value, 0..6)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #[test]
    fn steps_that_do_nothing_keep_every_byte(document in documents(), pretty in any::<bool>()) {
        let source = if pretty {
            serde_json::to_string_pretty(&document).unwrap().replace('\n', " ")
        } else {
            document.to_string()
        };
        let steps = vec![
            rename("absent", "other"),
            drop(&["absent.too"]),
            copy("b", "absent"),
            date(&["absent"], &["yyyy"], "yyyy"),
            coerce(Some(&["absent"]), OnFailure::Fail),
            jq("."),
            jq("if false then empty else . end"),
        ];
        prop_assert_eq!(through(steps, &source), "same");
    }

    #[test]
    fn a_step_changes_the_value_as_a_tree_would(document in documents()) {
        let mut wanted = document.clone();
        let object = wanted.as_object_mut().unwrap();
        object.remove("a");
        object.insert("new".into(), json!(1));
        let got = through(vec![drop(&["a"]), set("new", "1")], &document.to_string());
        prop_assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), wanted.clone());
        let got = through(vec![jq("del(.a) | .new = 1")], &document.to_string());
        prop_assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), wanted);
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), script in "[-.|,()\\[\\]{}:a-c$ 0-9\"]{0,12}") {
        let source = String::from_utf8_lossy(&bytes).into_owned();
        through(vec![drop(&["a.b"]), set("a.b", "1"), rename("a", "b")], &source);
        let one = transform("t", vec![jq(&script)]);
        if check(&one).is_empty() {
            through(one.steps.into_iter().map(|step| step.kind).collect(), r#"{"a":[1,"x"],"b":{"c":null}}"#);
        }
    }
}
