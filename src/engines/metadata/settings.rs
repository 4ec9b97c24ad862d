//! Names of settings.

/// Whether `key` is meant by `pattern`: the key itself, or with `.*` at the end all keys below.
pub(super) fn meant(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => key == pattern,
    }
}
