//! Paths of fields: `a.b` means the field `b` of the object `a`, and a field that is spelled `a.b`, as servers take both for
//! the same. A list on the way means each of its items.
//!
//! Deliberately absent: positions in lists, wildcards.

use super::fault::Fault;
use super::json::{Field, Json, spelled};

/// What is to become of a field that was met.
pub(super) enum Act {
    /// It stays as it is.
    Leave,
    /// It was changed.
    Changed,
    /// It goes.
    Remove,
}

/// Takes the fields of an object, the place of the one that was met, and whether a list was on the way.
pub(super) type Acting<'f, 'a> =
    dyn FnMut(&mut Vec<Field<'a>>, usize, bool) -> Result<Act, Fault> + 'f;

/// What a key means on the way along a path.
enum Meets<'p> {
    /// Not on the way.
    No,
    /// The last part of it.
    Whole,
    /// What is left of the path goes on below.
    Rest(&'p str),
}

fn meets<'p>(name: &str, path: &'p str) -> Meets<'p> {
    match path.strip_prefix(name) {
        Some("") => Meets::Whole,
        Some(rest) => rest.strip_prefix('.').map_or(Meets::No, Meets::Rest),
        None => Meets::No,
    }
}

/// Shows every field at a path to `act`: the fields of its object, and its place among them. `listed` says whether a list was
/// on the way. Returns whether anything was changed.
pub(super) fn visit<'a>(
    json: &mut Json<'a>,
    path: &str,
    listed: bool,
    act: &mut Acting<'_, 'a>,
) -> Result<bool, Fault> {
    let mut changed = false;
    match json.open()? {
        Json::Raw(_) => {}
        Json::List(items) => {
            for item in items {
                if item.scalar().is_none() {
                    changed |= visit(item, path, true, act)?;
                }
            }
        }
        Json::Object(fields) => {
            let mut at = 0;
            while at < fields.len() {
                match meets(&fields[at].name(), path) {
                    Meets::No => {}
                    Meets::Rest(rest) => {
                        let value = &mut fields[at].value;
                        if value.scalar().is_none() {
                            changed |= visit(value, rest, listed, act)?;
                        }
                    }
                    Meets::Whole => match act(fields, at, listed)? {
                        Act::Leave => {}
                        Act::Changed => changed = true,
                        Act::Remove => {
                            fields.remove(at);
                            changed = true;
                            continue;
                        }
                    },
                }
                at += 1;
            }
        }
    }
    Ok(changed)
}

/// Whether there is a field at a path.
pub(super) fn exists(json: &mut Json<'_>, path: &str) -> Result<bool, Fault> {
    let mut found = false;
    visit(json, path, false, &mut |_, _, _| {
        found = true;
        Ok(Act::Leave)
    })?;
    Ok(found)
}

/// A copy of the one field at a path, outside of lists; `None` where there is none.
pub(super) fn only<'a>(json: &mut Json<'a>, path: &str) -> Result<Option<Json<'a>>, Fault> {
    let mut found = None;
    visit(json, path, false, &mut |fields, at, listed| {
        if listed || found.is_some() {
            return Err(Fault::Several(path.to_owned()));
        }
        found = Some(fields[at].value.clone());
        Ok(Act::Leave)
    })?;
    Ok(found)
}

/// Puts a value at a path where there is none, and makes the objects on the way; into each item of a list.
pub(super) fn insert<'a>(json: &mut Json<'a>, path: &str, value: &Json<'a>) -> Result<(), Fault> {
    insert_below(json, path, path, value)
}

fn insert_below<'a>(
    json: &mut Json<'a>,
    whole: &str,
    path: &str,
    value: &Json<'a>,
) -> Result<(), Fault> {
    let no_object = || {
        let above = whole.len().saturating_sub(path.len() + 1);
        let above = whole.get(..above).filter(|above| !above.is_empty());
        Fault::NoObject(above.unwrap_or("the document").to_owned())
    };
    match json.open()? {
        Json::Raw(_) => Err(no_object()),
        Json::List(items) => items
            .iter_mut()
            .try_for_each(|item| insert_below(item, whole, path, value)),
        Json::Object(fields) => {
            for field in fields.iter_mut() {
                if let Meets::Rest(rest) = meets(&field.name(), path) {
                    return insert_below(&mut field.value, whole, rest, value);
                }
            }
            let mut names = path.split('.').rev();
            let mut value = value.clone();
            let mut name = names.next().unwrap_or(path);
            for above in names {
                value = Json::Object(vec![Field {
                    key: spelled(name),
                    value,
                }]);
                name = above;
            }
            fields.push(Field {
                key: spelled(name),
                value,
            });
            Ok(())
        }
    }
}
