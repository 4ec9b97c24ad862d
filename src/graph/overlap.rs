//! What two selectors have in common, as far as the patterns alone tell.
//!
//! Three answers, since a plan is compiled before any index is known: surely something, surely nothing, or not known yet.
//! An error needs the first, an edge is left out for the second only, and `diff::overlaps` settles the third when the
//! indices are known.

use std::collections::HashSet;

use crate::plan::selector::Selector;

/// What two selectors have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// No name can be chosen by both.
    None,
    /// It depends on the names that exist.
    Possible,
    /// Both choose this name or all names of this pattern.
    Definite(String),
}

impl Overlap {
    /// Whether it can't be ruled out.
    pub fn may(&self) -> bool {
        *self != Self::None
    }
}

enum Form<'a> {
    Literal,
    Glob(&'a str),
    Regex,
}

fn form(pattern: &str) -> Form<'_> {
    if pattern.len() > 1 && pattern.starts_with('/') && pattern.ends_with('/') {
        Form::Regex
    } else if pattern.contains(['*', '?']) {
        Form::Glob(pattern)
    } else {
        Form::Literal
    }
}

/// What `left` and `right` have in common.
pub fn overlap(left: &Selector, right: &Selector) -> Overlap {
    let lefts = including(left);
    let rights = including(right);
    if let Some(name) = common_literal(left, right, &lefts, &rights) {
        return Overlap::Definite(name);
    }
    let mut result = Overlap::None;
    for first in lefts.iter().filter(|text| !is_literal(text)) {
        for second in rights.iter().filter(|text| !is_literal(text)) {
            match patterns(first, second, left, right) {
                Overlap::Definite(witness) => return Overlap::Definite(witness),
                Overlap::Possible => result = Overlap::Possible,
                Overlap::None => {}
            }
        }
    }
    result
}

fn including(selector: &Selector) -> Vec<&str> {
    selector
        .patterns()
        .filter(|text| !text.starts_with('!'))
        .collect()
}

fn is_literal(text: &str) -> bool {
    matches!(form(text), Form::Literal)
}

/// A name written out on one side that both choose. Exact: a written name is a name.
fn common_literal(
    left: &Selector,
    right: &Selector,
    lefts: &[&str],
    rights: &[&str],
) -> Option<String> {
    let one_way = |names: &[&str], from: &Selector, to: &Selector, others: &[&str]| {
        // Most plans have few patterns; with thousands of written names the set keeps this linear.
        let literal: HashSet<&str> = others.iter().copied().filter(|it| is_literal(it)).collect();
        let open = others.len() > literal.len();
        names
            .iter()
            .filter(|name| is_literal(name))
            .filter(|name| open || literal.contains(*name))
            .find(|name| from.matches(name) && to.matches(name))
            .map(|name| (*name).to_owned())
    };
    one_way(lefts, left, right, rights).or_else(|| one_way(rights, right, left, lefts))
}

/// Two patterns, neither of which is a written name.
fn patterns(first: &str, second: &str, left: &Selector, right: &Selector) -> Overlap {
    let narrow = match (form(first), form(second)) {
        _ if first == second => first,
        (Form::Glob(wide), Form::Glob(narrow)) if covers(wide, narrow) => narrow,
        (Form::Glob(narrow), Form::Glob(wide)) if covers(wide, narrow) => narrow,
        (Form::Glob("*"), Form::Regex) => second,
        (Form::Regex, Form::Glob("*")) => first,
        (Form::Glob(one), Form::Glob(other)) if !can_meet(one, other) => return Overlap::None,
        _ => return Overlap::Possible,
    };
    let Form::Glob(glob) = form(narrow) else {
        return if excluded_wholly(narrow, left) || excluded_wholly(narrow, right) {
            Overlap::None
        } else {
            Overlap::Definite(narrow.to_owned())
        };
    };
    if excluded_wholly(glob, left) || excluded_wholly(glob, right) {
        return Overlap::None;
    }
    // An unlikely name that the narrower pattern chooses: both sides take it unless an exclusion or the rule of system
    // indices stands against it.
    let probe = glob.replace('*', "q0q").replace('?', "q");
    if left.matches(&probe) && right.matches(&probe) {
        Overlap::Definite(narrow.to_owned())
    } else if left.left_out(&probe) == right.left_out(&probe) {
        Overlap::None
    } else {
        Overlap::Possible
    }
}

fn excluded_wholly(pattern: &str, selector: &Selector) -> bool {
    selector
        .patterns()
        .filter_map(|text| text.strip_prefix('!'))
        .any(|excluded| excluded == pattern || covers(excluded, pattern))
}

/// Whether the glob `wide` matches every name that the glob `narrow` matches.
fn covers(wide: &str, narrow: &str) -> bool {
    if matches!(form(wide), Form::Regex) || matches!(form(narrow), Form::Regex) {
        return false;
    }
    // A `?` of the wide one would take the `*` of the narrow one for a letter, so it only stands for `?` or a letter.
    glob_match(wide.as_bytes(), narrow.as_bytes(), &|pattern, byte| {
        (pattern == b'?' && byte != b'*') || (pattern == byte)
    })
}

fn glob_match(pattern: &[u8], text: &[u8], same: &dyn Fn(u8, u8) -> bool) -> bool {
    let (mut at, mut position, mut retry) = (0, 0, None);
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, position));
                at += 1;
            }
            Some(byte) if same(*byte, text[position]) => {
                at += 1;
                position += 1;
            }
            _ => match retry {
                Some((star, start)) => {
                    at = star;
                    position = start + 1;
                    retry = Some((star, start + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Whether some name could match both globs: the fixed beginnings and ends must agree.
fn can_meet(first: &str, second: &str) -> bool {
    let agree = |left: &mut dyn Iterator<Item = char>, right: &mut dyn Iterator<Item = char>| {
        left.zip(right)
            .take_while(|(one, other)| *one != '*' && *other != '*')
            .all(|(one, other)| one == other || one == '?' || other == '?')
    };
    agree(&mut first.chars(), &mut second.chars())
        && agree(&mut first.chars().rev(), &mut second.chars().rev())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(left: &[&str], right: &[&str]) -> Overlap {
        let parse = |patterns: &[&str]| Selector::parse(patterns).unwrap();
        let one = overlap(&parse(left), &parse(right));
        let other = overlap(&parse(right), &parse(left));
        assert_eq!(one.may(), other.may(), "the question has no direction");
        one
    }

    #[test]
    fn patterns_tell_what_they_can() {
        let definite = |text: &str| Overlap::Definite(text.to_owned());
        assert_eq!(of(&["*"], &["*"]), definite("*"));
        assert_eq!(of(&["*"], &["logs-*"]), definite("logs-*"));
        assert_eq!(of(&["logs-*"], &["logs-2019"]), definite("logs-2019"));
        assert_eq!(of(&["logs-2019"], &["logs-2020"]), Overlap::None);
        assert_eq!(of(&["logs-*"], &["metrics-*"]), Overlap::None);
        assert_eq!(of(&["*-a"], &["*-b"]), Overlap::None);
        assert_eq!(of(&["logs-*"], &["*-2019"]), Overlap::Possible);
        assert_eq!(of(&["/logs-.+/"], &["logs-*"]), Overlap::Possible);
        assert_eq!(of(&["/logs-.+/"], &["/logs-.+/"]), definite("/logs-.+/"));
    }

    #[test]
    fn exclusions_part_what_patterns_join() {
        assert_eq!(of(&["*", "!logs-*"], &["logs-*"]), Overlap::None);
        assert_eq!(of(&["*", "!logs-*"], &["logs-2019"]), Overlap::None);
        assert_eq!(
            of(&["*", "!logs-tmp-*"], &["logs-*"]),
            Overlap::Definite("logs-*".to_owned())
        );
        assert_eq!(of(&["*"], &[".kibana*"]), Overlap::Possible);
    }
}
