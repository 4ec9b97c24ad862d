//! Masks what may be a secret in the texts that messages quote, so that a refused literal is not shown after all.
//!
//! The places of refused literals are masked exactly; beyond that, whatever follows a key that sounds like a secret, and user
//! and password of addresses. Too much is masked rather than too little.

use std::sync::LazyLock;

use regex::Regex;

use super::codes::language as code;
use super::diagnostics::Diagnostic;
use super::location::SourceFile;

// The patterns are constant and covered by the tests below.
#[allow(clippy::expect_used)]
static SUSPECTS: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    [
        r#"(?i)["']?[\w-]*(?:passw|secret|token|api[-_]?key|credential)[\w-]*["']?[ \t]*:[ \t]*([^\s{#][^\n]*)"#,
        r"://([^/\s@{}]*:[^/\s]*)@",
    ]
    .map(|pattern| Regex::new(pattern).expect("a constant pattern"))
});

/// Masks in place; lengths and line ends stay, so that places stay true.
pub(crate) fn mask(files: &mut [SourceFile], found: &[Diagnostic]) {
    for (number, file) in files.iter_mut().enumerate() {
        let mut ranges: Vec<(usize, usize)> = found
            .iter()
            .filter(|diagnostic| {
                [code::LITERAL_SECRET, code::URL_CREDENTIALS].contains(&diagnostic.code)
            })
            .filter_map(|diagnostic| diagnostic.location)
            .filter(|location| location.file as usize == number)
            .map(|location| (location.start as usize, location.end as usize))
            .collect();
        for pattern in SUSPECTS.iter() {
            ranges.extend(
                pattern
                    .captures_iter(&file.text)
                    .filter_map(|captures| captures.get(1))
                    .map(|group| (group.start(), group.end())),
            );
        }
        if ranges.is_empty() {
            continue;
        }
        ranges.sort_unstable();
        let mut masked = String::with_capacity(file.text.len());
        let mut next = 0;
        for (start, end) in ranges {
            let (start, end) = (start.max(next), end.max(next));
            masked.push_str(file.text.get(next..start).unwrap_or_default());
            for character in file.text.get(start..end).unwrap_or_default().chars() {
                if character.is_whitespace() {
                    masked.push(character);
                } else {
                    masked.extend(std::iter::repeat_n('*', character.len_utf8()));
                }
            }
            next = end;
        }
        masked.push_str(file.text.get(next..).unwrap_or_default());
        file.text = masked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_like_a_secret_is_masked_and_lengths_stay() {
        let text = "user: mig\npassword: hünter2 # x\napi-key: { env: KEY }\nurl: http://u:pw@h/\nbasic: { passwrd: abc }\n";
        let mut files = vec![SourceFile {
            name: "x".to_owned(),
            text: text.to_owned(),
        }];
        mask(&mut files, &[]);
        assert_eq!(files[0].text.len(), text.len());
        for secret in ["hünter2", "u:pw", "abc"] {
            assert!(!files[0].text.contains(secret), "{}", files[0].text);
        }
        assert!(files[0].text.contains("{ env: KEY }"));
        assert!(files[0].text.contains("user: mig"));
    }
}
