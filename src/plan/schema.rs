//! The JSON schema of the plan language, made from the sections of `language`.
//!
//! Relies on `schemars`. `schemas/plan-v1.json` is this text, checked in; a test holds them equal.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::language::PlanFile;

/// The schema of a plan file, as a value.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<PlanFile>().to_value();
    if let Value::Object(object) = &mut schema {
        object.insert("title".to_owned(), json!("mig plan, version 1"));
        object.insert(
            "$id".to_owned(),
            json!("https://mig-project.github.io/mig/schemas/plan-v1.json"),
        );
    }
    schema
}

/// The schema as it is checked in and printed.
pub fn schema_text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    text.push('\n');
    text
}

/// A plan file as an editor's check sees it: plain JSON, nothing substituted.
pub fn instance(text: &str) -> Result<Value, Box<super::diagnostics::Diagnostic>> {
    super::syntax::parse(text, 0).map(|node| node.to_json())
}
