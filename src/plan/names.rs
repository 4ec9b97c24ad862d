//! Names: their form, and what each one stands for.
//!
//! Clusters, stores and phases share one namespace, so that a name in a reference or on a command line means one thing.

use std::collections::BTreeMap;

use super::codes::language as code;
use super::decode::Context;
use super::diagnostics::{Diagnostic, did_you_mean, one_of};
use super::location::{Location, Spanned};
use super::model::{PhaseKindName, Ref};
use super::scalars::Reference;
use crate::base::Address;

/// The longest name.
const LENGTH_MAX: usize = 64;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Cluster,
    /// A directory in the place of a cluster.
    Directory,
    Store,
    Phase(PhaseKindName),
}

impl Thing {
    fn shown(self) -> String {
        match self {
            Self::Cluster => "a cluster".to_owned(),
            Self::Directory => "a directory target".to_owned(),
            Self::Store => "a store".to_owned(),
            Self::Phase(kind) => format!("a {} phase", kind.as_str()),
        }
    }
}

/// Tells when a name has not the form of one.
pub(crate) fn check(what: &str, name: &Spanned<String>, cx: &mut Context<'_>) -> bool {
    let text = name.value.as_str();
    let good = text.len() <= LENGTH_MAX
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character));
    if !good {
        let mut better: String = text
            .chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() || "-_.".contains(character) {
                    character
                } else {
                    '-'
                }
            })
            .skip_while(|character| !character.is_ascii_alphabetic())
            .take(LENGTH_MAX)
            .collect();
        while better.ends_with('-') {
            better.pop();
        }
        let help = "a name begins with a letter and goes on with letters, digits, `-`, `_` or `.`";
        cx.push(
            Diagnostic::new(code::BAD_NAME, format!("`{text}` is no name of a {what}"))
                .at(name.location)
                .help(if better.is_empty() {
                    help.to_owned()
                } else {
                    format!("{help}, such as `{better}`")
                }),
        );
    }
    good
}

/// Everything that a reference may name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    things: BTreeMap<Address, (Thing, Location)>,
}

impl Names {
    /// Adds a name; tells when it stands for something else already.
    pub(crate) fn add(
        &mut self,
        address: Address,
        thing: Thing,
        location: Location,
        cx: &mut Context<'_>,
    ) {
        if let Some((other, first)) = self.things.get(&address) {
            cx.push(
                Diagnostic::new(
                    code::NAME_CLASH,
                    format!("`{address}` is {} already", other.shown()),
                )
                .at(location)
                .related(*first, "defined here first")
                .help("clusters, stores and phases share one namespace: give one of them another name"),
            );
            return;
        }
        self.things.insert(address, (thing, location));
    }

    /// Whether the name stands for anything.
    pub(crate) fn has(&self, address: &Address) -> bool {
        self.things.contains_key(address)
    }

    /// The addresses of all phases.
    pub(crate) fn phases(&self) -> impl Iterator<Item = &Address> {
        self.things
            .iter()
            .filter(|(_, (thing, _))| matches!(thing, Thing::Phase(_)))
            .map(|(address, _)| address)
    }

    /// Resolves a reference from within `hop`, where names of the same hop come first. `field` is for the message, `expected`
    /// says in words what `fits` accepts.
    pub(crate) fn resolve(
        &self,
        reference: &Reference,
        from: &Scope<'_>,
        field: &str,
        expected: &str,
        fits: impl Fn(Thing) -> bool,
        cx: &mut Context<'_>,
    ) -> Option<Ref> {
        let name = &reference.0;
        let within = from
            .hop
            .map(|hop| Address::new(format!("{hop}/{}", name.value)));
        let address = within
            .filter(|address| self.has(address))
            .unwrap_or_else(|| Address::new(name.value.clone()));
        let field = format!("`{}.{field}`", from.phase);
        match self.things.get(&address) {
            Some((thing, _)) if fits(*thing) => Some(Spanned::new(address, name.location)),
            Some((thing, defined)) => {
                let candidates = self.fitting(from, &fits);
                let mut diagnostic = Diagnostic::new(
                    code::WRONG_REFERENCE,
                    format!(
                        "{field} must name {expected}; `{}` is {}",
                        name.value,
                        thing.shown()
                    ),
                )
                .at(name.location)
                .related(*defined, format!("`{}` is defined here", name.value));
                if !candidates.is_empty() {
                    diagnostic = diagnostic.help(format!(
                        "write {}",
                        one_of(candidates.iter().map(String::as_str))
                    ));
                }
                cx.push(diagnostic);
                None
            }
            None => {
                let candidates = self.fitting(from, &fits);
                let all: Vec<&str> = candidates.iter().map(String::as_str).collect();
                let help = match did_you_mean(&name.value, all.iter().copied()) {
                    Some(other) => format!("did you mean `{other}`?"),
                    None if all.is_empty() => {
                        format!("the plan has no such thing: define {expected}")
                    }
                    None => format!("write {}", one_of(all)),
                };
                cx.push(
                    Diagnostic::new(
                        code::DANGLING_REFERENCE,
                        format!("{field} names `{}`, which is not in the plan", name.value),
                    )
                    .at(name.location)
                    .help(help),
                );
                None
            }
        }
    }

    fn fitting(&self, from: &Scope<'_>, fits: &impl Fn(Thing) -> bool) -> Vec<String> {
        let prefix = from.hop.map(|hop| format!("{hop}/"));
        self.things
            .iter()
            .filter(|(address, (thing, _))| fits(*thing) && address.as_str() != from.phase)
            .map(|(address, _)| {
                prefix
                    .as_deref()
                    .and_then(|prefix| address.as_str().strip_prefix(prefix))
                    .unwrap_or(address.as_str())
                    .to_owned()
            })
            .take(8)
            .collect()
    }
}

/// From where a reference is made.
pub(crate) struct Scope<'a> {
    /// The address of the phase.
    pub(crate) phase: &'a str,
    /// The hop that it is in.
    pub(crate) hop: Option<&'a str>,
}
