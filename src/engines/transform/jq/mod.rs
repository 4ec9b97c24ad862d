//! Scripts in jq, run by jaq on one document at a time.
//!
//! A script is compiled once and shared by all threads. Its result depends on the document, its `_id`, index and routing,
//! and the arguments of the plan, and on nothing else. Deliberately absent: modules, further input, and every way to the
//! outside.

mod compile;
mod meter;
mod natives;
mod patterns;
mod piling;
mod read;
mod value;
mod write;

use jaq_core::data::HasLut;
use jaq_core::{Ctx, DataT, Lut, Vars};
use jaq_json::Val;

use super::limits;
use crate::engines::bulk::DocumentView;
use value::Value;

pub(super) use compile::compile;

/// Ties the types of the interpreter together.
pub(super) struct Kind;

/// What natives can reach while a script runs: the table of terms.
#[derive(Clone, Copy)]
pub(super) struct Run<'a>(&'a Lut<Kind>);

impl DataT for Kind {
    type V<'a> = Value;
    type Data<'a> = Run<'a>;
}

impl<'a> HasLut<'a, Kind> for Run<'a> {
    fn lut(&self) -> &'a Lut<Kind> {
        // Asked before each term.
        meter::step();
        self.0
    }
}

/// A script that can be run.
pub(super) struct Script {
    filter: jaq_core::Filter<Kind>,
    /// Texts of the arguments, in the order that they were compiled in.
    args: Vec<String>,
}

/// What a script makes of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// The same.
    Same,
    /// This.
    Source(Vec<u8>),
    /// Nothing.
    Nothing,
}

impl Script {
    /// Runs it; an error in words that name no place of the script.
    pub(super) fn run(&self, source: &[u8], document: DocumentView<'_>) -> Result<Made, String> {
        let (input, depth) =
            read::value(source).map_err(|error| format!("the source: {}", error.text()))?;
        let mut before = Vec::with_capacity(source.len());
        write::value(&input, &mut before).map_err(|error| error.text().to_owned())?;
        let ran = meter::run(|| self.result(Value::new(input, depth), document));
        let result = match ran {
            Ok(result) => result?,
            Err(meter::Broken::Exceeded(exceeded)) => return Err(exceeded.text()),
            Err(meter::Broken::Panicked) => {
                return Err("the interpreter of scripts failed on this document".to_owned());
            }
        };
        let Some(after) = result else {
            return Ok(Made::Nothing);
        };
        Ok(if after == before {
            Made::Same
        } else {
            Made::Source(after)
        })
    }

    fn result(&self, input: Value, document: DocumentView<'_>) -> Result<Option<Vec<u8>>, String> {
        let text = |text: &str| Value::text(text.to_owned());
        let routing = document
            .routing
            .map_or_else(|| Value::new(Val::Null, 0), text);
        let known = [text(document.id), text(document.index), routing];
        let args = self.args.iter().map(|arg| text(arg));
        let vars = Vars::new(known.into_iter().chain(args));
        let context = Ctx::<Kind>::new(Run(&self.filter.lut), vars);
        let mut results = self.filter.id.run((context, input));
        let Some(first) = results.next() else {
            return Ok(None);
        };
        let value = first.map_err(|exception| match exception.get_err() {
            Ok(error) => short(&error.into_val()),
            Err(_) => "the script broke out of a label that is not there".to_owned(),
        })?;
        let Val::Obj(_) = &value.val else {
            return Err(format!(
                "the script gave {}, a document is an object",
                short(&value)
            ));
        };
        if results.next().is_some() {
            return Err("the script gave more than one value, a document stays one".to_owned());
        }
        let mut out = Vec::new();
        write::value(&value.val, &mut out).map_err(|error| error.text().to_owned())?;
        Ok(Some(out))
    }
}

/// The beginning of a value for a message: texts as they are.
fn short(value: &Value) -> String {
    let text = match value.bytes_of() {
        Some(text) => String::from_utf8_lossy(text).into_owned(),
        None => String::from_utf8_lossy(&write::text(&value.val)).into_owned(),
    };
    match text.char_indices().nth(limits::REASON_CHARS) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
