//! Patterns of names as templates have them: `*` stands for any run of characters. Where two patterns are held against each
//! other, `?` stands for one, as selections have it.

/// Whether a name fits a pattern.
pub fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

/// Whether every name that `special` matches is matched by `general`; `*` stands for any run of characters.
pub fn covers(general: &str, special: &str) -> bool {
    let (general, special) = (general.as_bytes(), special.as_bytes());
    // As a match of a text in which `*` is a character that only `*` matches.
    let mut reached = vec![false; special.len() + 1];
    reached[0] = true;
    for byte in general {
        let mut next = vec![false; special.len() + 1];
        if *byte == b'*' {
            let mut any = false;
            for (at, before) in reached.iter().enumerate() {
                any |= *before;
                next[at] = any;
            }
        } else {
            for at in 0..special.len() {
                let fits = special[at] == *byte || (*byte == b'?' && special[at] != b'*');
                next[at + 1] = reached[at] && fits;
            }
        }
        reached = next;
    }
    reached[special.len()]
}

/// Whether some name is matched by both.
pub fn meet(left: &str, right: &str) -> bool {
    // What stands before the first wildcards tells most pairs apart: a thousand templates are a million pairs.
    let (before_left, before_right) = (before_wildcard(left), before_wildcard(right));
    if !before_left.starts_with(before_right) && !before_right.starts_with(before_left) {
        return false;
    }
    let (left, right) = (left.as_bytes(), right.as_bytes());
    // From the ends: whether what is left of both matches a common text.
    let mut below = vec![false; right.len() + 1];
    for i in (0..=left.len()).rev() {
        let mut row = vec![false; right.len() + 1];
        for j in (0..=right.len()).rev() {
            let (one, other) = (left.get(i), right.get(j));
            row[j] = match (one, other) {
                (None, None) => true,
                (Some(b'*'), _) => below[j] || (j < right.len() && row[j + 1]),
                (_, Some(b'*')) => row[j + 1] || (i < left.len() && below[j]),
                (Some(one), Some(other)) => {
                    (one == other || *one == b'?' || *other == b'?') && below[j + 1]
                }
                _ => false,
            };
        }
        below = row;
    }
    below[0]
}

fn before_wildcard(pattern: &str) -> &str {
    pattern.split(['*', '?']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{covers, fits, meet};

    #[test]
    fn patterns_cover_and_meet() {
        for (general, special, expected) in [
            ("*", "logs-*", true),
            ("logs-*", "logs-app-*", true),
            ("logs-*", "logs-1", true),
            ("logs-app-*", "logs-*", false),
            ("*-1", "logs-*", false),
            ("l*s", "l*s", true),
            ("log?-*", "logs-*", true),
            ("log?", "log*", false),
        ] {
            assert_eq!(covers(general, special), expected, "{general} {special}");
        }
        for (left, right, expected) in [
            ("logs-*", "*-app", true),
            ("logs-*", "metrics-*", false),
            ("a*b", "ab", true),
            ("a*b", "a", false),
            ("logs", "logs", true),
            ("logs", "log", false),
            ("log?-1", "logs-*", true),
            ("log?", "log", false),
        ] {
            assert_eq!(meet(left, right), expected, "{left} {right}");
            assert_eq!(meet(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, expected) in [
            ("logs-*", "logs-1", true),
            ("logs-*", "log-1", false),
            ("*", "a", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("a*b", "ab", true),
            ("*-x", "y-x", true),
            ("logs", "logs", true),
            ("logs", "logs-1", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
