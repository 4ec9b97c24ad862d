//! The two macros that write a part of the language down once: its decoder, its JSON schema and what changing each field
//! does come from the same lines, so they can't drift apart.
//!
//! A field is `Option` in every section: `None` means "not given", or given wrongly and told already. Fields with a default
//! are decoded from the default's JSON text where nothing is given. Deliberately absent: what values mean together; that is
//! `resolve`'s.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Value as Json, json};

use super::decode::Decode;
use super::model::PhaseKindName;

/// What changing a field does to a phase that was applied already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeClass {
    /// It takes effect at once, or has no effect on what is done.
    Live,
    /// It asks for approval first, and then goes on from where the phase is.
    Gated,
    /// The phase is done anew.
    Redo,
    /// It is refused: another phase must be written instead.
    Never,
}

impl ChangeClass {
    /// As the schema has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Gated => "gated",
            Self::Redo => "redo",
            Self::Never => "never",
        }
    }
}

/// Whether a field must be given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    Required,
    Optional,
    /// The default as JSON text.
    Default(&'static str),
}

/// One field of a section, as the language has it.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) need: Need,
    pub(crate) change: ChangeClass,
    pub(crate) example: Option<&'static str>,
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
    pub(crate) fields: fn() -> Vec<Field>,
}

/// `rate_per_node` → `rate-per-node`, `r#use` → `use`.
pub(crate) fn key_of(identifier: &str) -> String {
    identifier.trim_start_matches("r#").replace('_', "-")
}

/// Joins the lines of a doc comment.
pub(crate) fn prose(lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_owned()
}

/// The schema of a section, inline.
pub(crate) fn object_schema(
    description: &str,
    fields: &[Field],
    generator: &mut SchemaGenerator,
) -> Schema {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for field in fields {
        let mut schema = (field.schema)(generator).to_value();
        if let Json::Object(object) = &mut schema {
            // A description beside `$ref` is what editors show; 2020-12 allows siblings.
            object.insert("description".into(), Json::from(field.description.clone()));
            object.insert("x-mig-change".into(), Json::from(field.change.as_str()));
            if let Some(example) = field.example {
                object.insert("examples".into(), json!([json_text(example)]));
            }
            if let Need::Default(text) = field.need {
                object.insert("default".into(), json_text(text));
            }
        }
        if matches!(field.need, Need::Required) {
            required.push(field.name.clone());
        }
        properties.insert(field.name.clone(), schema);
    }
    let mut schema = json!({
        "type": "object",
        "description": description,
        "additionalProperties": false,
        "properties": properties,
    });
    if let (Json::Object(object), false) = (&mut schema, required.is_empty()) {
        object.insert("required".into(), Json::from(required));
    }
    schema.try_into().unwrap_or_default()
}

/// JSON where the text is JSON, else the text itself.
pub(crate) fn json_text(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| Json::from(text))
}

/// What changing a field of a phase does. `path` is the path in the language, such as `limits.batch`; a path that the
/// language doesn't have counts as the field it is within, and a wholly unknown one as `redo`.
pub fn change_class(kind: PhaseKindName, path: &str) -> ChangeClass {
    let path = path.strip_prefix("take.").unwrap_or(path);
    class_in(&super::language::phase_fields(kind), path)
}

/// As `change_class`, for the fields of a cluster or a store: `part` is `clusters` or `stores`.
pub fn change_class_in(part: &str, path: &str) -> ChangeClass {
    class_in(&super::language::part_fields(part), path)
}

fn class_in(fields: &[Field], path: &str) -> ChangeClass {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some(field) = fields.iter().find(|field| field.name == first) else {
        return ChangeClass::Redo;
    };
    let inner = (field.fields)();
    if rest.is_empty()
        || !inner
            .iter()
            .any(|field| field.name == rest.split('.').next().unwrap_or(rest))
    {
        field.change
    } else {
        class_in(&inner, rest)
    }
}

/// `fields()` of a type, as a function pointer for the table.
pub(crate) fn inner_fields<T: Decode>() -> Vec<Field> {
    T::fields()
}

/// A map with fixed keys.
///
/// ```text
/// section! {
///     /// What it is.
///     pub(crate) struct Name, later [words of later versions] {
///         /// What the field is.
///         field: Type = (required | optional | default "JSON"), live|gated|redo|never [, example "JSON or text"];
///     }
/// }
/// ```
macro_rules! section {
    ($(#[doc = $doc:literal])* pub(crate) struct $name:ident $(, later [$($later:literal),*])? {
        $($(#[doc = $field_doc:literal])* $field:ident: $type:ty = $need:ident $($default:literal)?, $change:ident $(, example $example:literal)?;)*
    }) => {
        $(#[doc = $doc])*
        // Decoding a field checks it, also where `expand` has used its text before and nothing reads it again.
        #[allow(dead_code)]
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            $($(#[doc = $field_doc])* pub(crate) $field: Option<$type>,)*
            /// Where the section stands.
            pub(crate) location: $crate::plan::location::Location,
            /// The keys that are written, whether or not their values are right.
            pub(crate) given: Vec<String>,
        }

        impl $crate::plan::decode::Decode for $name {
            fn decode(
                node: &$crate::plan::syntax::Node,
                cx: &mut $crate::plan::decode::Context<'_>,
            ) -> Option<Self> {
                let fields = <Self as $crate::plan::decode::Decode>::fields();
                let later: &[&str] = &[$($($later),*)?];
                let keys = cx.keys(node, &fields, later)?;
                Some(Self {
                    $($field: cx.field::<$type>(node, &keys, &$crate::plan::section::key_of(stringify!($field)), section!(@need $need $($default)?)),)*
                    location: node.location,
                    given: keys.iter().map(|entry| entry.key.clone()).collect(),
                })
            }

            fn fields() -> Vec<$crate::plan::section::Field> {
                vec![$($crate::plan::section::Field {
                    name: $crate::plan::section::key_of(stringify!($field)),
                    description: $crate::plan::section::prose(&[$($field_doc),*]),
                    need: section!(@need $need $($default)?),
                    change: section!(@change $change),
                    example: section!(@example $($example)?),
                    schema: <$type as $crate::plan::decode::Decode>::schema,
                    fields: $crate::plan::section::inner_fields::<$type>,
                }),*]
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                generator.subschema_for::<Self>()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let description = $crate::plan::section::prose(&[$($doc),*]);
                let fields = <Self as $crate::plan::decode::Decode>::fields();
                $crate::plan::section::object_schema(&description, &fields, generator)
            }
        }
    };
    (@need required) => { $crate::plan::section::Need::Required };
    (@need optional) => { $crate::plan::section::Need::Optional };
    (@need default $default:literal) => { $crate::plan::section::Need::Default($default) };
    (@change live) => { $crate::plan::section::ChangeClass::Live };
    (@change gated) => { $crate::plan::section::ChangeClass::Gated };
    (@change redo) => { $crate::plan::section::ChangeClass::Redo };
    (@change never) => { $crate::plan::section::ChangeClass::Never };
    (@example) => { None };
    (@example $example:literal) => { Some($example) };
}
pub(crate) use section;

/// A map with exactly one of several keys, each with its own body.
macro_rules! choice {
    ($(#[doc = $doc:literal])* pub(crate) enum $name:ident, $what:literal $(, later [$($later:literal),*])? $(, secret $secret:literal)? {
        $($(#[doc = $variant_doc:literal])* $variant:ident($type:ty) = $key:literal;)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        #[allow(
            clippy::large_enum_variant,
            reason = "a plan has a handful of these, each decoded once"
        )]
        pub(crate) enum $name {
            $($(#[doc = $variant_doc])* $variant($type),)*
        }

        impl $crate::plan::decode::Decode for $name {
            fn decode(
                node: &$crate::plan::syntax::Node,
                cx: &mut $crate::plan::decode::Context<'_>,
            ) -> Option<Self> {
                let entry = cx.single(node, $what, &[$($key),*], &[$($($later),*)?])?;
                match entry.key.as_str() {
                    $($key => <$type as $crate::plan::decode::Decode>::decode(&entry.value, cx).map(Self::$variant),)*
                    _ => None,
                }
            }

            fn fields() -> Vec<$crate::plan::section::Field> {
                vec![$($crate::plan::section::Field {
                    name: $key.to_owned(),
                    description: $crate::plan::section::prose(&[$($variant_doc),*]),
                    need: $crate::plan::section::Need::Optional,
                    change: $crate::plan::section::ChangeClass::Redo,
                    example: None,
                    schema: <$type as $crate::plan::decode::Decode>::schema,
                    fields: $crate::plan::section::inner_fields::<$type>,
                }),*]
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                generator.subschema_for::<Self>()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let description = $crate::plan::section::prose(&[$($doc),*]);
                let fields = <Self as $crate::plan::decode::Decode>::fields();
                let mut schema = $crate::plan::section::object_schema(&description, &fields, generator);
                schema.insert("minProperties".to_owned(), 1.into());
                schema.insert("maxProperties".to_owned(), 1.into());
                schema
            }
        }
    };
}
pub(crate) use choice;
