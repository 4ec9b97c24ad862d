//! Walks the processors of a pipeline, those that handle failures and those within others too.

use serde_json::{Map, Value};

/// Levels of processors within processors that are looked at; no server takes as many.
const DEPTH_MAX: usize = 32;

/// What becomes of a processor.
pub(super) enum Verdict {
    /// It stays, with whatever was done to its parameters.
    Keep,
    /// It goes.
    Drop,
    /// It stays under another name.
    Become(&'static str),
}

/// Looks at one processor: its path, its name, its parameters.
pub(super) type Look<'a> = dyn FnMut(&str, &str, &mut Map<String, Value>) -> Verdict + 'a;

/// Gives every processor to `look`, outer ones first.
pub(super) fn each_processor(pipeline: &mut Map<String, Value>, look: &mut Look<'_>) {
    for section in ["processors", "on_failure"] {
        if let Some(Value::Array(list)) = pipeline.get_mut(section) {
            of_list(section, list, DEPTH_MAX, look);
            // A handler of failures without a step is refused.
            if section == "on_failure" && list.is_empty() {
                pipeline.remove(section);
            }
        }
    }
}

fn of_list(path: &str, list: &mut Vec<Value>, depth: usize, look: &mut Look<'_>) {
    let mut at = 0;
    list.retain_mut(|processor| {
        let place = format!("{path}.{at}");
        at += 1;
        of_one(&place, processor, depth, look)
    });
}

/// Says whether the processor stays.
fn of_one(path: &str, processor: &mut Value, depth: usize, look: &mut Look<'_>) -> bool {
    let Value::Object(outer) = processor else {
        return true;
    };
    let Some(name) = outer.keys().next().cloned() else {
        return true;
    };
    let Some(Value::Object(parameters)) = outer.get_mut(&name) else {
        return true;
    };
    let path = format!("{path}.{name}");
    let verdict = look(&path, &name, parameters);
    if matches!(verdict, Verdict::Drop) {
        return false;
    }
    if depth > 0 {
        if let Some(Value::Array(list)) = parameters.get_mut("on_failure") {
            of_list(&format!("{path}.on_failure"), list, depth - 1, look);
            if list.is_empty() {
                parameters.remove("on_failure");
            }
        }
        let inner = parameters.get_mut("processor");
        if name == "foreach"
            && let Some(inner) = inner
            && !of_one(&format!("{path}.processor"), inner, depth - 1, look)
        {
            return false; // one that does nothing to each
        }
    }
    if let Verdict::Become(other) = verdict
        && let Some(parameters) = outer.remove(&name)
    {
        outer.insert(other.to_owned(), parameters);
    }
    true
}
