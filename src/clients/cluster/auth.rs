//! How requests say who sends them. Made once from the plan; the values never leave here but in a request.

use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::error::ClusterError;
use crate::clients::aws::Signer;
use crate::clients::secrets::{self, Secret, SecretError};
use crate::plan::model::{Auth, SecretRef};

/// What is added to each request.
pub(super) enum Credentials {
    None,
    /// The header `Authorization`.
    Header(HeaderValue),
    /// A signature of each request.
    Signed(Box<Signer>),
}

impl Credentials {
    /// Resolves what the plan refers to. Blocks.
    pub(super) fn resolve(auth: &Auth, location: &str) -> Result<Self, ClusterError> {
        let failed = |reason: String, help: &str| ClusterError::Setup {
            location: location.to_owned(),
            reason,
            help: help.to_owned(),
        };
        let text = match auth {
            Auth::None => return Ok(Self::None),
            Auth::Basic { user, password } => {
                if user.contains(':') {
                    return Err(failed(
                        "the user's name has a colon, which basic authentication can't carry"
                            .into(),
                        "name another user in `auth: { basic: { user: … } }`",
                    ));
                }
                let password = secret(password, location)?;
                format!(
                    "Basic {}",
                    encoded(&format!("{user}:{}", password.reveal()))
                )
            }
            Auth::ApiKey(key) => {
                let key = secret(key, location)?;
                let key = key.reveal();
                // `id:key` as the API of keys answers it, or encoded already.
                if key.contains(':') {
                    format!("ApiKey {}", encoded(key))
                } else {
                    format!("ApiKey {key}")
                }
            }
            Auth::Sigv4 { region, service } => {
                let signer = Signer::open(region, service).map_err(|reason| {
                    failed(
                        reason,
                        "give this process AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role",
                    )
                })?;
                return Ok(Self::Signed(Box::new(signer)));
            }
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| {
            failed(
                "the secret has a character that no header can carry, such as a line end".into(),
                "see that the secret is one line",
            )
        })?;
        value.set_sensitive(true);
        Ok(Self::Header(value))
    }

    /// Adds them to a request that is otherwise complete.
    pub(super) async fn add(&self, request: &mut reqwest::Request) -> Result<(), String> {
        match self {
            Self::None => Ok(()),
            Self::Header(value) => {
                request.headers_mut().insert(AUTHORIZATION, value.clone());
                Ok(())
            }
            Self::Signed(signer) => signer.sign(request).await,
        }
    }
}

/// Looks up what the plan refers to.
pub(super) fn secret(reference: &SecretRef, location: &str) -> Result<Secret, ClusterError> {
    secrets::resolve(reference).map_err(|error: SecretError| ClusterError::Setup {
        location: location.to_owned(),
        reason: error.to_string(),
        help: error.help,
    })
}

fn encoded(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
