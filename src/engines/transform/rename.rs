//! `rename`: gives a field another name, or another place.
//!
//! Within its object a field keeps its position and its spelling, also in each item of a list. To another object one field
//! can be moved that stands outside of lists. Nothing is ever overwritten.

use super::fault::Fault;
use super::json::{Json, spelled};
use super::path::{self, Act};

/// Splits a path in the object and the name in it.
pub(super) fn parent(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// Renames one field; whether there was any.
pub(super) fn apply(json: &mut Json<'_>, from: &str, to: &str) -> Result<bool, Fault> {
    let ((above, old), (below, new)) = (parent(from), parent(to));
    if above == below {
        within(json, (from, old), (to, new))
    } else {
        moved(json, from, to)
    }
}

fn within(
    json: &mut Json<'_>,
    (from, old): (&str, &str),
    (to, new): (&str, &str),
) -> Result<bool, Fault> {
    path::visit(json, from, false, &mut |fields, at, _| {
        // A key that is spelled with dots keeps what stands before the last of them.
        let name = fields[at].name();
        let above = name.strip_suffix(old).unwrap_or_default();
        let name = format!("{above}{new}");
        if fields.iter().any(|field| field.name() == name) {
            return Err(Fault::Occupied(to.to_owned()));
        }
        fields[at].key = spelled(&name);
        Ok(Act::Changed)
    })
}

fn moved(json: &mut Json<'_>, from: &str, to: &str) -> Result<bool, Fault> {
    let Some(value) = path::only(json, from)? else {
        return Ok(false);
    };
    path::visit(json, from, false, &mut |_, _, _| Ok(Act::Remove))?;
    if path::exists(json, to)? {
        return Err(Fault::Occupied(to.to_owned()));
    }
    path::insert(json, to, &value)?;
    Ok(true)
}
