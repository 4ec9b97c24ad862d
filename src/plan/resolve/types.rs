//! `types:` of a metadata phase: what its values mean together.
//!
//! Deliberately absent: which indices and types there are, which planning finds out.

use std::collections::BTreeMap;

use crate::plan::codes::language as code;
use crate::plan::decode::{Context, Named};
use crate::plan::diagnostics::Diagnostic;
use crate::plan::language;
use crate::plan::location::{Location, Spanned};
use crate::plan::model::{TakeTypes, TypesRule};
use crate::plan::selector::Selector;

/// The names of the indices of a split where the plan gives none.
const NAME: &str = "{index}-{type}";

/// All rules, by the name or pattern that they are for; `None` after telling what is wrong.
pub(super) fn types(
    written: &Named<language::Types>,
    cx: &mut Context<'_>,
) -> Option<BTreeMap<String, TypesRule>> {
    let mut rules = BTreeMap::new();
    let mut whole = true;
    for (key, body) in &written.0 {
        let fine = check_key(key, cx);
        match rule(body, cx).filter(|_| fine) {
            Some(rule) => {
                rules.insert(key.value.clone(), rule);
            }
            None => whole = false,
        }
    }
    whole.then_some(rules)
}

fn check_key(key: &Spanned<String>, cx: &mut Context<'_>) -> bool {
    let problem = match Selector::parse(&[&key.value]) {
        Err(error) => error.to_string(),
        Ok(_) if key.value.starts_with('!') => {
            format!("`{}` excludes, and nothing stands beside it", key.value)
        }
        Ok(_) => return true,
    };
    cx.push(
        Diagnostic::new(code::BAD_SELECTOR, problem)
            .at(key.location)
            .help("write the name of an index, a glob such as `shop-*`, or `/regex/`"),
    );
    false
}

fn rule(body: &language::Types, cx: &mut Context<'_>) -> Option<TypesRule> {
    let take = body.take.as_ref()?.value;
    let mut fine = true;
    let mut bad = |what: String, at: Location, help: &str, cx: &mut Context<'_>| {
        fine = false;
        cx.push(
            Diagnostic::new(code::BAD_TYPES, what)
                .at(at)
                .help(help.to_owned()),
        );
    };
    let split = take == TakeTypes::Split;
    if let Some(name) = &body.name {
        let left = name.value.replace("{index}", "").replace("{type}", "");
        if !split {
            let what = "`name` is for the indices of a split, and this is a union".to_owned();
            bad(
                what,
                name.location,
                "take it out, or write `take: split`",
                cx,
            );
        } else if !name.value.contains("{type}") {
            let what = format!("`{}` gives all types one name", name.value);
            bad(what, name.location, "write `{type}` into it", cx);
        } else if left.contains(['{', '}']) {
            let what = format!(
                "`{}` holds something else than `{{index}}` and `{{type}}`",
                name.value
            );
            bad(
                what,
                name.location,
                "only these two stand for something",
                cx,
            );
        }
    }
    let alias = body.alias.as_ref()?;
    if alias.value && !split {
        let what = "`alias` goes over the indices of a split, and this is a union".to_owned();
        bad(
            what,
            alias.location,
            "take it out, or write `take: split`",
            cx,
        );
    }
    let drop = body.drop.as_ref()?;
    if let Some(prefer) = &body.prefer
        && drop.iter().any(|it| it.value == prefer.value)
    {
        let what = format!("type `{}` is dropped and preferred", prefer.value);
        bad(what, prefer.location, "take it out of one of both", cx);
    }
    for field in [&body.type_field, &body.join_field].into_iter().flatten() {
        let text = &field.value;
        if text.is_empty() || text.starts_with('_') || text.contains(['.', '"', '\\', '*']) {
            let what = format!("`{text}` is no name of a field of its own");
            let help = "write a name without dots, quotes and `*`, and without `_` in front";
            bad(what, field.location, help, cx);
        }
    }
    let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
    let rule = TypesRule {
        take,
        name: text(&body.name).unwrap_or_else(|| NAME.to_owned()),
        alias: alias.value,
        drop: drop.iter().map(|it| it.value.clone()).collect(),
        ids: body.ids.as_ref()?.value,
        type_field: text(&body.type_field),
        join_field: text(&body.join_field),
        prefer: text(&body.prefer),
    };
    fine.then_some(rule)
}
