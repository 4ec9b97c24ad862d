//! Which index of the target takes which types: a plan's rule over what the index holds. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::route::{Join, Route};
use super::union::{Conflict, union};
use crate::base::units::some_of;
use crate::diff::observation::{IdsRead, TypesFacts};
use crate::plan::model::{TakeTypes, TypeIds, TypesRule};
use crate::plan::selector::Selector;

/// Bytes of the name of an index at most.
const NAME_BYTES: usize = 255;
/// Things that are named in one sentence at most.
const NAMED_MAX: usize = 3;

/// What was chosen, or what stands against it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chosen {
    /// One for each index of the target; none where the types of the index are no more than a name.
    pub routes: Vec<Route>,
    /// Where there are any, nothing is done with the index.
    pub problems: Vec<Problem>,
}

/// What stands against a choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// As a sentence without its end.
    pub what: String,
    /// What can be written in `types` instead, with a remark.
    pub answers: Vec<String>,
    /// The definitions that contradict each other.
    pub conflicts: Vec<Conflict>,
}

/// What stands against a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The plan says nothing.
    Undecided,
    /// Documents would become one.
    Ids,
    /// Definitions contradict each other.
    Fields,
    /// An index can't have the name.
    Name,
    /// The rule does not fit the index.
    Unfit,
}

/// The rule for an index with the key that it stands under: that of its name, or of the longest pattern.
pub fn rule_for<'a>(
    rules: &'a BTreeMap<String, TypesRule>,
    index: &str,
) -> Option<(&'a str, &'a TypesRule)> {
    if let Some((key, rule)) = rules.get_key_value(index) {
        return Some((key, rule));
    }
    rules
        .iter()
        .filter(|(key, _)| Selector::parse(&[key]).is_ok_and(|it| it.matches(index)))
        .max_by_key(|(key, _)| key.len())
        .map(|(key, rule)| (key.as_str(), rule))
}

/// Chooses for one index. `mappings` are those of its types, where they are at hand: without them definitions are not
/// looked at.
pub fn choose(
    rule: Option<(&str, &TypesRule)>,
    index: &str,
    facts: &TypesFacts,
    mappings: Option<&[(&str, &Value)]>,
) -> Chosen {
    let Some((key, rule)) = rule else {
        let several = facts.types.len() > 1;
        let with_parent = facts.types.iter().any(|it| it.parent.is_some());
        return match (several, with_parent) {
            (true, _) => undecided(index, facts, mappings),
            (false, true) => with_rule(index, (index, &plain(TakeTypes::Union)), facts, mappings),
            (false, false) => Chosen::default(),
        };
    };
    with_rule(index, (key, rule), facts, mappings)
}

fn plain(take: TakeTypes) -> TypesRule {
    TypesRule {
        take,
        name: "{index}-{type}".to_owned(),
        alias: false,
        drop: Vec::new(),
        ids: TypeIds::Keep,
        type_field: None,
        join_field: None,
        timestamp_field: None,
        expiry_field: None,
        prefer: None,
    }
}

/// The question that the plan leaves open, with the answers that are possible.
fn undecided(index: &str, facts: &TypesFacts, mappings: Option<&[(&str, &Value)]>) -> Chosen {
    let tried = with_rule(index, (index, &plain(TakeTypes::Union)), facts, mappings);
    let names: Vec<String> = facts.types.iter().map(told).collect();
    let mut what = format!("it has the types {}", few(&names));
    let mut answers = Vec::new();
    let has = |kind| tried.problems.iter().any(|it| it.kind == kind);
    let (ids, fields) = (has(ProblemKind::Ids), has(ProblemKind::Fields));
    for problem in &tried.problems {
        what.push_str("; ");
        what.push_str(&problem.what);
    }
    if !ids && !fields {
        what.push_str(match facts.read {
            IdsRead::All => "; no _id stands in two of them, and they define no field differently",
            _ => "; they define no field differently",
        });
        answers.push(answer(index, "take: union", "all into one index"));
    } else if !fields {
        let union = "take: union, ids: type-prefix";
        answers.push(answer(
            index,
            union,
            "all into one index, each _id as type#id",
        ));
    } else {
        let prefer = facts.types.first().map_or("", |it| it.name.as_str());
        let ids = if ids { ", ids: type-prefix" } else { "" };
        let union = format!("take: union{ids}, prefer: {prefer}");
        answers.push(answer(index, &union, "whose definition counts"));
    }
    answers.push(answer(
        index,
        "take: split",
        "each type into an index of its own",
    ));
    Chosen {
        routes: Vec::new(),
        problems: vec![Problem {
            kind: ProblemKind::Undecided,
            what,
            answers,
            conflicts: tried
                .problems
                .into_iter()
                .flat_map(|it| it.conflicts)
                .collect(),
        }],
    }
}

fn told(facts: &crate::diff::observation::TypeFacts) -> String {
    let mut notes = Vec::new();
    if let Some(docs) = facts.docs {
        notes.push(crate::base::units::plural(docs, "document"));
    }
    if let Some(parent) = &facts.parent {
        notes.push(format!("children of {parent}"));
    }
    if notes.is_empty() {
        return facts.name.clone();
    }
    format!("{} ({})", facts.name, notes.join(", "))
}

/// As it is written under the metadata phase.
fn answer(key: &str, rule: &str, remark: &str) -> String {
    format!("types: {{ \"{key}\": {{ {rule} }} }}   # {remark}")
}

fn few(names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    some_of(&names, NAMED_MAX)
}

fn with_rule(
    index: &str,
    (key, rule): (&str, &TypesRule),
    facts: &TypesFacts,
    mappings: Option<&[(&str, &Value)]>,
) -> Chosen {
    let mut chosen = Chosen::default();
    let parents: BTreeMap<&str, &str> = facts
        .types
        .iter()
        .filter_map(|it| Some((it.name.as_str(), it.parent.as_deref()?)))
        .collect();
    let known = |name: &str| facts.types.iter().any(|it| it.name == name);
    let unfit = |what: String| Problem {
        kind: ProblemKind::Unfit,
        what,
        answers: Vec::new(),
        conflicts: Vec::new(),
    };
    // A pattern is for many indices, of which not each has every type.
    if key == index {
        let named = rule.drop.iter().chain(&rule.prefer);
        for name in named.filter(|name| !known(name)) {
            let names: Vec<String> = facts.types.iter().map(|it| it.name.clone()).collect();
            chosen.problems.push(unfit(format!(
                "`types` names type `{name}`, and it has the types {}",
                few(&names)
            )));
        }
    }
    let dropped = |name: &str| rule.drop.iter().any(|it| it == name);
    let taken: Vec<&str> = facts
        .types
        .iter()
        .map(|it| it.name.as_str())
        .filter(|name| !dropped(name))
        .collect();
    if taken.is_empty() {
        let what = "`drop` leaves no type of it; leave the index out instead";
        chosen.problems.push(unfit(what.to_owned()));
        return chosen;
    }
    for kind in &taken {
        if let Some(parent) = parents.get(kind).filter(|parent| dropped(parent)) {
            chosen.problems.push(unfit(format!(
                "`drop` names `{parent}`, and `{kind}` has its parents there; drop both or none"
            )));
        }
    }
    // One index, or one a family.
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in &taken {
        let group = match rule.take {
            TakeTypes::Union => "",
            TakeTypes::Split => root(&parents, kind),
        };
        groups.entry(group).or_default().push(kind);
    }
    for (number, (group, types)) in groups.iter().enumerate() {
        let to = match rule.take {
            TakeTypes::Union => index.to_owned(),
            // Names of types may have upper case, those of indices not.
            TakeTypes::Split => rule
                .name
                .replace("{index}", index)
                .replace("{type}", &group.to_lowercase()),
        };
        let route = Route {
            of: index.to_owned(),
            to,
            types: types.iter().map(|it| (*it).to_owned()).collect(),
            dropped: rule
                .drop
                .iter()
                .filter(|name| number == 0 && known(name))
                .cloned()
                .collect(),
            prefix: rule.ids == TypeIds::TypePrefix,
            type_field: rule.type_field.clone(),
            timestamp_field: rule.timestamp_field.clone(),
            expiry_field: rule.expiry_field.clone(),
            join: join(rule, facts, &parents, types),
            prefer: rule.prefer.clone(),
        };
        chosen
            .problems
            .extend(against(&route, (key, rule), facts, mappings));
        chosen.routes.push(route);
    }
    for (at, route) in chosen.routes.iter().enumerate() {
        let twin = chosen.routes[..at].iter().find(|it| it.to == route.to);
        let what = match twin {
            Some(twin) => format!(
                "types {} and {} would both go to index `{}`",
                twin.types[0], route.types[0], route.to
            ),
            None if is_name(&route.to) => continue,
            None => format!("no index can have the name `{}`", route.to),
        };
        chosen.problems.push(Problem {
            kind: ProblemKind::Name,
            what,
            answers: vec![answer(
                key,
                "take: split, name: \"…-{type}\"",
                "another name",
            )],
            conflicts: Vec::new(),
        });
    }
    if !chosen.problems.is_empty() {
        chosen.routes.clear();
    }
    chosen
}

/// The type at the top of a type's parents. A type is its own ancestor in no server; here that ends the search.
fn root<'a>(parents: &BTreeMap<&'a str, &'a str>, kind: &'a str) -> &'a str {
    let mut at = kind;
    for _ in 0..=parents.len() {
        match parents.get(at) {
            Some(parent) => at = parent,
            None => break,
        }
    }
    at
}

fn join(
    rule: &TypesRule,
    facts: &TypesFacts,
    parents: &BTreeMap<&str, &str>,
    types: &[&str],
) -> Option<Join> {
    let parents: BTreeMap<String, String> = types
        .iter()
        .filter_map(|kind| Some(((*kind).to_owned(), (*parents.get(kind)?).to_owned())))
        .collect();
    let field = rule.join_field.clone().or_else(|| facts.free_field.clone());
    (!parents.is_empty()).then(|| Join {
        field: field.unwrap_or_else(|| "join".to_owned()),
        parents,
    })
}

/// What stands against putting the types of a route into one index.
fn against(
    route: &Route,
    (key, rule): (&str, &TypesRule),
    facts: &TypesFacts,
    mappings: Option<&[(&str, &Value)]>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let split = || answer(key, "take: split", "each type into an index of its own");
    let prefix = {
        let take = match rule.take {
            TakeTypes::Union => "union",
            TakeTypes::Split => "split",
        };
        answer(
            key,
            &format!("take: {take}, ids: type-prefix"),
            "each _id as type#id",
        )
    };
    if route.types.len() > 1 && !route.prefix {
        let what = shared(&route.types, facts);
        if let Some(what) = what {
            let mut answers = vec![prefix];
            if rule.take == TakeTypes::Union {
                answers.push(split());
            }
            problems.push(Problem {
                kind: ProblemKind::Ids,
                what,
                answers,
                conflicts: Vec::new(),
            });
        }
    }
    let Some(mappings) = mappings else {
        return problems;
    };
    let mappings: Vec<(&str, &Value)> = mappings
        .iter()
        .filter(|(name, _)| route.types.iter().any(|it| it == name))
        .copied()
        .collect();
    let joined = union(&mappings, route.prefer.as_deref());
    if !joined.conflicts.is_empty() {
        let told: Vec<String> = joined
            .conflicts
            .iter()
            .map(|it| {
                let definition = |value: &Option<Value>| match value {
                    Some(value) => value.to_string(),
                    None => "nothing".to_owned(),
                };
                let path = it.path.strip_prefix("mappings.").unwrap_or(&it.path);
                let path = path.strip_prefix("properties.").unwrap_or(path);
                format!(
                    "`{path}` is {} in {} and {} in {}",
                    definition(&it.left.1),
                    it.left.0,
                    definition(&it.right.1),
                    it.right.0
                )
            })
            .collect();
        let (one, other) = (&joined.conflicts[0].left.0, &joined.conflicts[0].right.0);
        let ids = if route.prefix {
            ", ids: type-prefix"
        } else {
            ""
        };
        let mut answers = Vec::new();
        if rule.take == TakeTypes::Union {
            answers.push(split());
        }
        let take = if rule.take == TakeTypes::Union {
            "union"
        } else {
            "split"
        };
        for (prefer, remark) in [
            (one, "its definitions count"),
            (other, "its definitions count"),
        ] {
            let rule = format!("take: {take}{ids}, prefer: {prefer}");
            answers.push(answer(key, &rule, remark));
        }
        problems.push(Problem {
            kind: ProblemKind::Fields,
            what: few(&told),
            answers,
            conflicts: joined.conflicts,
        });
    }
    let fields = joined.mapping.get("properties").and_then(Value::as_object);
    let join = route.join.as_ref().map(|join| &join.field);
    let added = [
        (route.type_field.as_ref(), "type-field"),
        (join, "join-field"),
        (route.timestamp_field.as_ref(), "timestamp-field"),
        (route.expiry_field.as_ref(), "expiry-field"),
    ];
    for (at, (field, word)) in added.iter().enumerate() {
        let Some(field) = field else { continue };
        let taken = fields.is_some_and(|fields| fields.contains_key(*field));
        let twice = added[..at].iter().any(|(other, _)| *other == Some(field));
        if taken || twice {
            problems.push(Problem {
                kind: ProblemKind::Unfit,
                what: format!("the field `{field}` that is to be added is there already"),
                answers: vec![answer(key, &format!("{word}: …"), "another name")],
                conflicts: Vec::new(),
            });
        }
    }
    problems
}

/// What is known of ids that stand in several of these types; `None` where it is known that none does, or can't be known yet.
fn shared(types: &[String], facts: &TypesFacts) -> Option<String> {
    let here = |one: &str| types.iter().any(|it| it == one);
    let found: Vec<_> = facts
        .shared_ids
        .iter()
        .filter_map(|it| {
            let among: Vec<&str> = it
                .types
                .iter()
                .map(String::as_str)
                .filter(|it| here(it))
                .collect();
            (among.len() > 1).then_some((among, it))
        })
        .collect();
    if let Some((among, first)) = found.first() {
        let ids: u64 = found.iter().map(|(_, it)| it.ids).sum();
        let stands = if ids == 1 { "stands" } else { "stand" };
        return Some(format!(
            "{} {stands} in several types, the first is `{}` in {}",
            crate::base::units::plural(ids, "_id"),
            first.example,
            among.join(" and ")
        ));
    }
    (facts.read == IdsRead::TooMany).then(|| {
        "its documents are more than are read when planning, so that it is not known whether an _id stands in several types".to_owned()
    })
}

/// Whether servers take the name of an index.
fn is_name(name: &str) -> bool {
    let bad = |character: char| {
        character.is_uppercase()
            || character.is_whitespace()
            || character.is_control()
            || "\\/*?\"<>|,#:".contains(character)
    };
    !name.is_empty()
        && name.len() <= NAME_BYTES
        && !name.starts_with(['-', '_', '+'])
        && name != "."
        && name != ".."
        && !name.contains(bad)
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
