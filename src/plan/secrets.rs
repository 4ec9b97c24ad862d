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
        file.text = file
            .text
            .char_indices()
            .flat_map(|(at, character)| {
                let hidden = ranges
                    .iter()
                    .any(|(start, end)| (*start..*end).contains(&at));
                let (character, count) = if hidden && !character.is_whitespace() {
                    ('*', character.len_utf8())
                } else {
                    (character, 1)
                };
                std::iter::repeat_n(character, count)
            })
            .collect();
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
