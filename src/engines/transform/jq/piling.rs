//! Definitions that hand a filter on to themselves as their last step: `def f(g): f(g | g); …`.
//!
//! The interpreter makes a loop of such a call, without stack, and the filters that are handed on pile up behind each other. To
//! let go of them it goes down all of them at once, which no stack is for: nothing could stop such a script. They are refused
//! when a script is compiled, and can always be written with a definition within, which needs no filter of its own.
//!
//! A last step is what the compiler of jaq takes for one. Deliberately absent: telling which of them would end in time.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Term};

/// A definition around a place, whose calls would be last steps there.
#[derive(Clone, Copy)]
struct Around<'s> {
    name: &'s str,
    arity: usize,
    takes_filters: bool,
}

/// The name in the first call of that kind, as it stands in the script.
pub(super) fn call<'s>(script: &Term<&'s str>) -> Option<&'s str> {
    within(script, &[])
}

fn within<'s>(term: &Term<&'s str>, around: &[Around<'s>]) -> Option<&'s str> {
    let other = |term: &Term<&'s str>| within(term, &[]);
    let last = |term: &Term<&'s str>| within(term, around);
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => None,
        Term::Str(_, parts) => parts.iter().find_map(|part| match part {
            StrPart::Term(term) => other(term),
            StrPart::Str(_) | StrPart::Char(_) => None,
        }),
        Term::Arr(term) => term.as_deref().and_then(other),
        Term::Obj(entries) => entries
            .iter()
            .find_map(|(key, value)| other(key).or_else(|| value.as_ref().and_then(other))),
        Term::Neg(term) | Term::Label(_, term) => other(term),
        Term::BinOp(left, op, right) => match op {
            BinaryOp::Comma => last(left).or_else(|| last(right)),
            BinaryOp::Pipe(_) | BinaryOp::Alt => other(left).or_else(|| last(right)),
            _ => other(left).or_else(|| other(right)),
        },
        Term::Fold(_, items, _, steps) => {
            // The third one of `foreach`.
            let steps = steps.iter().enumerate();
            let mut steps = steps.map(|(at, it)| if at == 2 { last(it) } else { other(it) });
            other(items).or_else(|| steps.find_map(|it| it))
        }
        Term::TryCatch(tried, catch) => other(tried).or_else(|| catch.as_deref().and_then(other)),
        Term::IfThenElse(cases, rest) => {
            let mut cases = cases.iter();
            let found = cases.find_map(|(when, then)| other(when).or_else(|| last(then)));
            found.or_else(|| rest.as_deref().and_then(last))
        }
        Term::Def(definitions, term) => {
            let mut definitions = definitions.iter();
            let found = definitions.find_map(|it| within_definition(it, around));
            found.or_else(|| last(term))
        }
        Term::Call(name, arguments) => {
            let piles = |it: &Around<'s>| {
                it.takes_filters && it.name == *name && it.arity == arguments.len()
            };
            if around.iter().any(piles) {
                return Some(name);
            }
            arguments.iter().find_map(other)
        }
        Term::Path(term, path) => {
            let mut parts = path.0.iter();
            other(term).or_else(|| {
                parts.find_map(|(part, _)| match part {
                    jaq_core::path::Part::Index(index) => other(index),
                    jaq_core::path::Part::Range(from, to) => {
                        let mut bounds = from.iter().chain(to);
                        bounds.find_map(other)
                    }
                })
            })
        }
    }
}

fn within_definition<'s>(definition: &Def<&'s str>, around: &[Around<'s>]) -> Option<&'s str> {
    let mut around = around.to_vec();
    around.push(Around {
        name: definition.name,
        arity: definition.args.len(),
        takes_filters: definition.args.iter().any(|it| !it.starts_with('$')),
    });
    within(&definition.body, &around)
}
