//! The words for transforms of documents and for tests.

use serde_json::json;

use super::Version;
use crate::plan::codes::documents as code;
use crate::plan::decode::{Context, Decode, Named, schema_of};
use crate::plan::diagnostics::Diagnostic;
use crate::plan::location::{Location, Spanned};
use crate::plan::model;
use crate::plan::scalars::{FilePath, Patterns, Reference, Text};
use crate::plan::section::{choice, section};
use crate::plan::syntax::{Node, Style, Value};

section! {
    /// A named list of steps that each document goes through, for `transforms` of phases.
    pub(crate) struct Transform {
        /// A sentence for people.
        description: Text = optional, live, example "What the new application calls its fields.";
        /// The indices that it is for, of those that a phase gives to it. A data stream is meant by its own name, with all of its
        /// generations; an index that `types` splits by its name or by those of its parts.
        indices: Patterns = default "[\"*\", \".*\"]", redo, example "[\"logs-*\"]";
        /// What is done to each document, in order.
        steps: Vec<Step> = required, redo, example "[{ \"rename\": { \"msg\": \"message\" } }]";
        /// What a metadata phase does to the translated mapping, beyond what `rename` and `drop` among the steps say: for fields that
        /// scripts and `set` make.
        mappings: MappingEdits = default "{}", redo;
    }
}

choice! {
    /// One step: exactly one kind.
    pub(crate) enum Step, "a step" {
        /// Gives fields another name or place: `old.path: new.path`. A document that holds the new one already fails.
        Rename(Named<Text>) = "rename";
        /// Takes fields out.
        Drop(Vec<Text>) = "drop";
        /// Gives a field a constant, or a copy of another field.
        Set(SetStep) = "set";
        /// Writes dates in another format.
        Date(DateStep) = "date";
        /// Gives values the JSON type that the translated mapping says: the text "1" of a `long` becomes the number 1.
        Coerce(CoerceStep) = "coerce";
        /// Runs a jq script on the document. It gives one object, or nothing, which leaves the document out.
        Jq(JqStep) = "jq";
    }
}

section! {
    /// Gives a field a value.
    pub(crate) struct SetStep {
        /// The path of the field.
        field: Text = required, redo, example "tenant.name";
        /// A constant: any YAML value.
        value: Json = optional, redo, example "acme";
        /// The field that is copied. Where a document has none, nothing is set.
        copy: Text = optional, redo, example "user.name";
        /// Whether a value that is there already stays.
        only_if_missing: Spanned<bool> = default "false", redo;
    }
}

section! {
    /// Writes dates in another format. A value that fits no format under `from` fails the document.
    pub(crate) struct DateStep {
        /// Paths of the fields.
        fields: Vec<Text> = required, redo, example "[\"created\"]";
        /// Formats to read, the first that fits counts: a pattern such as `yyyy/MM/dd HH:mm`, or `epoch_millis`, `epoch_second`,
        /// `strict_date_optional_time`. A time without an offset is UTC.
        from: Vec<Text> = required, redo, example "[\"yyyy/MM/dd HH:mm:ss\", \"epoch_second\"]";
        /// The format to write, in UTC.
        to: Text = required, redo, example "date_time";
    }
}

section! {
    /// Gives values the type that the translated mapping says.
    pub(crate) struct CoerceStep {
        /// Paths of the fields, or `all` that the mapping has.
        fields: Fields = default "all", redo, example "[\"bytes\"]";
        /// What becomes of a value that can't be given its type: `fail` fails the document, `keep` leaves the value.
        on_failure: Spanned<model::OnFailure> = default "fail", redo;
    }
}

section! {
    /// Runs a jq script. It sees the source as `.`, and `$id`, `$index` and `$routing`. It can't change those, and knows no
    /// clock, no environment and no further input.
    pub(crate) struct JqStep {
        /// The script, relative to this file.
        file: FilePath = required, redo, example "scripts/enrich.jq";
        /// Texts that the script sees as `$NAME`.
        args: Named<Text> = default "{}", redo, example "{ \"tenant\": \"acme\" }";
    }
}

section! {
    /// Changes of the translated mapping. Paths are those of fields, without `properties`.
    pub(crate) struct MappingEdits {
        /// Fields that are added, with their definitions.
        add: Named<Json> = default "{}", redo, example "{ \"severity\": { \"type\": \"keyword\" } }";
        /// Fields that keep their definition under another name.
        rename: Named<Text> = default "{}", redo, example "{ \"lvl\": \"level\" }";
        /// Fields that are taken out.
        drop: Vec<Text> = default "[]", redo, example "[\"raw\"]";
    }
}

choice! {
    /// One test, run by `mig test` without any cluster.
    pub(crate) enum Test, "a test" {
        /// A document through transforms.
        Document(DocumentTest) = "document";
        /// Settings and mappings through the translation rules.
        Mapping(MappingTest) = "mapping";
    }
}

section! {
    /// A document through transforms: what goes in, and what has to become of it.
    pub(crate) struct DocumentTest {
        /// The transforms in their order. Those that are not for the index do nothing, as in a phase.
        transforms: Vec<Reference> = required, live, example "[\"tidy\"]";
        /// The index that the document is in.
        index: Text = required, live, example "logs-1";
        /// Its `_id`.
        id: Text = default "1", live;
        /// Its routing.
        routing: Text = optional, live;
        /// Types of fields, as the translated mapping would say, for `coerce`.
        types: Named<Text> = default "{}", live, example "{ \"bytes\": \"long\" }";
        /// The document.
        r#in: Json = optional, live, example "{ \"msg\": \"hello\" }";
        /// The document in a file of JSON, whose digits and doubled keys stay as they are.
        in_file: FilePath = optional, live, example "tests/hello.json";
        /// The document that has to come out.
        out: Json = optional, live, example "{ \"message\": \"hello\" }";
        /// The same in a file of JSON.
        out_file: FilePath = optional, live, example "tests/hello.out.json";
        /// The document has to be left out.
        dropped: Spanned<bool> = optional, live;
        /// The document has to fail, with a reason that holds this text.
        fails: Text = optional, live, example "is there already";
    }
}

section! {
    /// Settings and mappings through the translation rules, and then through what transforms do to mappings.
    pub(crate) struct MappingTest {
        /// The server of the original.
        rules_from: Version = required, live, example "elasticsearch:5.6";
        /// The server that is to take it.
        rules_to: Version = required, live, example "opensearch:2.19";
        /// The name of the index.
        index: Text = default "test", live, example "logs-1";
        /// Transforms of the metadata phase.
        transforms: Vec<Reference> = default "[]", live, example "[\"tidy\"]";
        /// `settings` and `mappings` of the original.
        r#in: Json = required, live;
        /// `settings`, `mappings`, or both, as they have to come out; what is not given is not compared.
        out: Json = optional, live;
        /// The rules that have to find something: these and no others.
        codes: Vec<Text> = optional, live, example "[\"MIG101\"]";
    }
}

/// Any value, as JSON text: digits stay as they are written.
#[derive(Clone, Debug)]
pub(crate) struct Json {
    pub(crate) text: String,
    pub(crate) location: Location,
}

impl Json {
    /// As a tree.
    pub(crate) fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl Decode for Json {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let mut text = String::new();
        write_json(node, &mut text, cx)?;
        Some(Self {
            text,
            location: node.location,
        })
    }

    fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema_of(json!({}))
    }
}

/// Writes a node as JSON; `None` where a part of it is told to be wrong already.
fn write_json(node: &Node, out: &mut String, cx: &mut Context<'_>) -> Option<()> {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Scalar(scalar) => match scalar.style {
            Style::Poisoned => return None,
            Style::Plain if is_json(&scalar.text) => out.push_str(&scalar.text),
            _ => out.push_str(&serde_json::Value::from(scalar.text.as_str()).to_string()),
        },
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_json(item, out, cx)?;
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (at, entry) in cx.unique(entries).into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::Value::from(entry.key.as_str()).to_string());
                out.push(':');
                write_json(&entry.value, out, cx)?;
            }
            out.push('}');
        }
    }
    Some(())
}

/// Whether a plain scalar is a number or a word of JSON.
fn is_json(text: &str) -> bool {
    let number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    (number || ["true", "false", "null"].contains(&text))
        && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// `all`, or paths.
#[derive(Clone, Debug)]
pub(crate) enum Fields {
    All,
    Paths(Vec<Text>),
}

impl Decode for Fields {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        if matches!(&node.value, Value::Scalar(scalar) if scalar.text == "all") {
            return Some(Self::All);
        }
        let paths = Vec::<Text>::decode(node, cx)?;
        if paths.is_empty() {
            cx.push(
                Diagnostic::new(code::BAD_FIELD, "an empty list names no field")
                    .at(node.location)
                    .help("name fields, or write `all`"),
            );
            return None;
        }
        Some(Self::Paths(paths))
    }

    fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema_of(json!({ "anyOf": [
            { "type": "string", "minLength": 1 },
            { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 },
        ] }))
    }
}
