//! Secrets: the one place where a reference of a plan becomes a value.
//!
//! Relies on the plan's type of a reference. Deliberately absent: anything that could show a value; [`Secret`] has no
//! `Display`, no `Serialize`, and a `Debug` that says nothing.

use std::fmt;

use crate::plan::model::SecretRef;

/// The largest secret that is taken; a key with its chain of certificates is far below.
const SECRET_BYTES_MAX: u64 = 1 << 20;

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value, for the one who sends it.
    pub(in crate::clients) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret can't be had. Names the reference, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reference} {reason}")]
pub struct SecretError {
    /// What the plan refers to.
    pub reference: String,
    /// What is wrong with it.
    pub reason: String,
    /// How to mend it.
    pub help: String,
}

impl SecretError {
    fn new(reference: &SecretRef, reason: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            reference: named(reference),
            reason: reason.into(),
            help: help.into(),
        }
    }
}

/// The reference in words.
fn named(reference: &SecretRef) -> String {
    match reference {
        SecretRef::Env(name) => format!("the environment variable `{name}`"),
        SecretRef::File(path) => format!("the file {}", path.display()),
        SecretRef::AwsSecret(name) => format!("the AWS secret `{name}`"),
    }
}

/// Looks a secret up. Blocks, for a secret of AWS as long as that takes to answer.
pub fn resolve(reference: &SecretRef) -> Result<Secret, SecretError> {
    let fail = |reason: &str, help: &str| SecretError::new(reference, reason, help);
    let value = match reference {
        SecretRef::Env(name) => match std::env::var(name) {
            Ok(value) => value,
            Err(std::env::VarError::NotPresent) => {
                return Err(fail("is not set", "set it where `mig` is started"));
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(fail("is no text", "set it to a text in UTF-8"));
            }
        },
        SecretRef::File(path) => {
            let size = std::fs::metadata(path).map_err(|error| {
                fail(
                    &format!("can't be read: {error}"),
                    "see that it is there, and that this user may read it",
                )
            })?;
            if size.len() > SECRET_BYTES_MAX {
                let reason = format!("has more than {SECRET_BYTES_MAX} bytes");
                return Err(fail(&reason, "name the file with the secret alone"));
            }
            let bytes = std::fs::read(path).map_err(|error| {
                fail(
                    &format!("can't be read: {error}"),
                    "see that it is there, and that this user may read it",
                )
            })?;
            let mut value = String::from_utf8(bytes)
                .map_err(|_| fail("is no text", "name a file with a text in UTF-8"))?;
            if value.ends_with('\n') {
                value.pop();
                if value.ends_with('\r') {
                    value.pop();
                }
            }
            value
        }
        SecretRef::AwsSecret(name) => super::aws::secret(name).map_err(|reason| {
            fail(
                &reason,
                "see that the AWS credentials and the region of this process may read it (`secretsmanager:GetSecretValue`)",
            )
        })?,
    };
    if value.is_empty() {
        return Err(fail("is empty", "put the secret there"));
    }
    Ok(Secret(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret("hunter2".into());
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(…) Secret(…)");
    }

    #[test]
    fn the_final_line_end_of_a_file_is_no_part_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        for (content, value) in [
            ("plain", "plain"),
            ("plain\n", "plain"),
            ("plain\r\n", "plain"),
            ("two\nlines\n", "two\nlines"),
            ("blank\n\n", "blank\n"),
            (" spaces stay ", " spaces stay "),
        ] {
            std::fs::write(&path, content).unwrap();
            let secret = resolve(&SecretRef::File(path.clone())).unwrap();
            assert_eq!(secret.reveal(), value, "{content:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("absent");
        let error = resolve(&SecretRef::File(path.clone())).unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()));
        let error = resolve(&SecretRef::Env("MIG_TEST_NEVER_SET".into())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable `MIG_TEST_NEVER_SET` is not set"
        );
        std::fs::write(&path, "\n").unwrap();
        let error = resolve(&SecretRef::File(path.clone())).unwrap_err();
        assert!(error.to_string().ends_with("is empty"));
        std::fs::write(&path, b"\xff\xfe").unwrap();
        let error = resolve(&SecretRef::File(path)).unwrap_err();
        assert!(error.to_string().ends_with("is no text"));
    }
}
