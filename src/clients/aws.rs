//! What needs AWS: credentials of this process, signatures of requests, secrets. Built with the feature `aws`.
//!
//! Credentials come as they do for every AWS tool: environment, profile, SSO, container, instance. Deliberately absent:
//! any way to write credentials in a plan.

#[cfg(feature = "aws")]
pub(crate) use with::{Signer, config_as, secret};
#[cfg(not(feature = "aws"))]
pub(crate) use without::{Signer, secret};

#[cfg(feature = "aws")]
mod with {
    use std::time::{Duration, SystemTime};

    use aws_config::sts::AssumeRoleProvider;
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
    use aws_sigv4::http_request::{
        PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
    };
    use aws_sigv4::sign::v4;
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    use reqwest::header::{HeaderName, HeaderValue};

    use crate::clients::cluster::runtime;

    /// Credentials are asked for anew so long before they expire.
    const RENEW_BEFORE: Duration = Duration::from_mins(5);
    /// Credentials without an end are looked up again after this.
    const KEPT_AT_MOST: Duration = Duration::from_hours(1);

    async fn config(region: Option<&str>) -> SdkConfig {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        loader.load().await
    }

    /// As everything here finds its credentials, in a region, and as a role that these may assume.
    pub(crate) async fn config_as(region: Option<&str>, role: Option<&str>) -> SdkConfig {
        let config = config(region).await;
        let Some(role) = role else {
            return config;
        };
        let provider = AssumeRoleProvider::builder(role)
            .session_name("mig")
            .configure(&config)
            .build()
            .await;
        config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(provider))
            .build()
    }

    /// The value of a secret of AWS Secrets Manager, by name or ARN.
    pub(crate) fn secret(name: &str) -> Result<String, String> {
        let asked = runtime::block_on(async {
            // An ARN says where it is: `arn:aws:secretsmanager:REGION:…`.
            let region = name
                .strip_prefix("arn:")
                .and_then(|arn| arn.split(':').nth(2));
            let client = aws_sdk_secretsmanager::Client::new(&config(region).await);
            let answer = client.get_secret_value().secret_id(name).send().await;
            let value = answer.map_err(|error| {
                let words = aws_sdk_secretsmanager::error::DisplayErrorContext(&error);
                format!("can't be read: {words}")
            })?;
            match value.secret_string {
                Some(text) => Ok(text),
                None => Err("holds bytes, not a text".to_owned()),
            }
        });
        asked.unwrap_or_else(|error| Err(format!("can't be read: {error}")))
    }

    /// Signs requests of one service in one region.
    pub(crate) struct Signer {
        region: String,
        service: String,
        provider: SharedCredentialsProvider,
        kept: tokio::sync::Mutex<Option<(Credentials, SystemTime)>>,
    }

    impl Signer {
        /// With the credentials of this process. Blocks.
        pub(crate) fn open(region: &str, service: &str) -> Result<Self, String> {
            let config = runtime::block_on(config(Some(region)))
                .map_err(|error| format!("no thread could be started: {error}"))?;
            let provider = config
                .credentials_provider()
                .ok_or("there are no AWS credentials")?;
            Ok(Self {
                region: region.to_owned(),
                service: service.to_owned(),
                provider,
                kept: tokio::sync::Mutex::new(None),
            })
        }

        /// Adds the signature's headers to a request that is otherwise complete.
        pub(crate) async fn sign(&self, request: &mut reqwest::Request) -> Result<(), String> {
            let now = SystemTime::now();
            let credentials = self.credentials(now).await?;
            let (region, service) = (&self.region, &self.service);
            // The serverless service wants the hash of the body as a header too.
            add_signature(
                request,
                &credentials,
                region,
                service,
                service == "aoss",
                now,
            )
        }

        async fn credentials(&self, now: SystemTime) -> Result<Credentials, String> {
            let mut kept = self.kept.lock().await;
            if let Some((credentials, until)) = &*kept
                && now < *until
            {
                return Ok(credentials.clone());
            }
            let credentials = self.provider.provide_credentials().await.map_err(|error| {
                let mut words = error.to_string();
                let mut cause = std::error::Error::source(&error);
                while let Some(inner) = cause {
                    words = format!("{words}: {inner}");
                    cause = inner.source();
                }
                format!("no AWS credentials: {words}")
            })?;
            let until = credentials
                .expiry()
                .map_or(now + KEPT_AT_MOST, |expiry| expiry - RENEW_BEFORE);
            *kept = Some((credentials.clone(), until));
            Ok(credentials)
        }
    }

    fn add_signature(
        request: &mut reqwest::Request,
        credentials: &Credentials,
        region: &str,
        service: &str,
        hash_body: bool,
        now: SystemTime,
    ) -> Result<(), String> {
        let mut settings = SigningSettings::default();
        if hash_body {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let headers: Vec<(&str, &str)> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let body = request
            .body()
            .and_then(reqwest::Body::as_bytes)
            .unwrap_or_default();
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.url().as_str(),
            headers.into_iter(),
            SignableBody::Bytes(body),
        )
        .map_err(|error| error.to_string())?;
        let (instructions, _) = sign(signable, &params)
            .map_err(|error| error.to_string())?
            .into_parts();
        for (name, value) in instructions.headers() {
            let name: HeaderName = name.parse().map_err(|_| "a header of the signature")?;
            let mut value: HeaderValue = value.parse().map_err(|_| "a header of the signature")?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        Ok(())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

        fn signed(
            method: &str,
            path: &str,
            form: Option<&'static str>,
            (service, hash_body): (&str, bool),
        ) -> reqwest::Request {
            let url = format!("http://example.amazonaws.com{path}");
            let mut request = reqwest::Request::new(method.parse().unwrap(), url.parse().unwrap());
            if let Some(form) = form {
                let kind = "application/x-www-form-urlencoded".parse().unwrap();
                request.headers_mut().insert("content-type", kind);
                let length = form.len().to_string().parse().unwrap();
                request.headers_mut().insert("content-length", length);
                *request.body_mut() = Some(form.into());
            }
            let credentials = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "test");
            // 2015-08-30T12:36:00Z
            let now = SystemTime::UNIX_EPOCH + Duration::from_mins(24_015_636);
            let region = "us-east-1";
            add_signature(&mut request, &credentials, region, service, hash_body, now).unwrap();
            request
        }

        /// The requests and signatures that AWS publishes for signers.
        #[test]
        fn signatures_are_those_that_aws_publishes() {
            for (method, path, form, signature) in [
                (
                    "GET",
                    "/",
                    None,
                    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
                ),
                (
                    "GET",
                    "/?Param2=value2&Param1=value1",
                    None,
                    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
                ),
                (
                    "GET",
                    "/?Param1=value1",
                    None,
                    "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
                ),
                (
                    "POST",
                    "/?Param1=value1",
                    None,
                    "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
                ),
                (
                    "POST",
                    "/",
                    Some("Param1=value1"),
                    "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
                ),
            ] {
                let request = signed(method, path, form, ("service", form.is_some()));
                let authorization = request.headers()["authorization"].to_str().unwrap();
                assert!(
                    authorization.ends_with(&format!("Signature={signature}")),
                    "{method} {path}: {authorization}"
                );
                assert!(authorization.starts_with(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                ));
            }
        }

        #[test]
        fn aoss_gets_the_hash_of_the_payload_and_it_is_signed() {
            let request = signed("POST", "/x/_search", Some("Param1=value1"), ("aoss", true));
            assert_eq!(
                request.headers()["x-amz-content-sha256"],
                "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
            );
            let authorization = request.headers()["authorization"].to_str().unwrap();
            assert!(authorization.contains("x-amz-content-sha256;x-amz-date"));
            assert!(!format!("{request:?}").contains("Signature="));
            let form = Some("Param1=value1");
            let es = signed("POST", "/x/_search", form, ("es", false));
            assert!(!es.headers().contains_key("x-amz-content-sha256"));
        }
    }
}

#[cfg(not(feature = "aws"))]
mod without {
    const WORDS: &str = "needs AWS, and this mig was built without its feature `aws`";

    /// Says that it can't.
    pub(crate) fn secret(_name: &str) -> Result<String, String> {
        Err(WORDS.to_owned())
    }

    /// Never there.
    pub(crate) enum Signer {}

    impl Signer {
        /// Says that it can't.
        pub(crate) fn open(_region: &str, _service: &str) -> Result<Self, String> {
            Err(format!("`sigv4` {WORDS}"))
        }

        /// Never called.
        #[allow(clippy::unused_async)] // as its namesake
        pub(crate) async fn sign(&self, _request: &mut reqwest::Request) -> Result<(), String> {
            match *self {}
        }
    }
}
