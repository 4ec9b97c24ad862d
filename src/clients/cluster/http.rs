//! The connection pool of one cluster: trust, proxies, timeouts; and what its errors mean.
//!
//! Proxies are those of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, as curl takes them.

use std::error::Error;
use std::time::Duration;

use super::auth;
use super::error::ClusterError;
use super::limits;
use crate::plan::model::Tls;

/// Makes it; opens no connection.
pub(super) fn pool(location: &str, tls: &Tls) -> Result<reqwest::Client, ClusterError> {
    // The first one to come installs it; all are the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let setup = |reason: String, help: &str| ClusterError::Setup {
        location: location.to_owned(),
        reason,
        help: help.to_owned(),
    };
    let mut builder = reqwest::Client::builder()
        .connect_timeout(limits::CONNECT)
        .user_agent(concat!("mig/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Compressing costs the cluster more than a loopback interface does.
        .gzip(!is_loopback(location))
        .tcp_nodelay(true);
    if tls.insecure {
        tracing::warn!(
            location,
            "any certificate is trusted: `tls: {{ insecure: true }}`"
        );
        builder = builder.tls_danger_accept_invalid_certs(true);
    } else if let Some(path) = &tls.ca {
        let bytes = std::fs::read(path).map_err(|error| {
            setup(
                format!("`tls.ca`: {} can't be read: {error}", path.display()),
                "see that it is there, and that this user may read it",
            )
        })?;
        let certificates = reqwest::Certificate::from_pem_bundle(&bytes).unwrap_or_default();
        if certificates.is_empty() {
            return Err(setup(
                format!("`tls.ca`: {} holds no certificate", path.display()),
                "name a file in PEM, with `-----BEGIN CERTIFICATE-----`",
            ));
        }
        builder = builder.tls_certs_only(certificates);
    } else if location.starts_with("http://") && !proxy_with_tls() {
        // There is nobody to trust, and a machine without authorities is as good as any.
        builder = builder.tls_certs_only(std::iter::empty());
    }
    if let (Some(path), Some(key)) = (&tls.certificate, &tls.key) {
        let mut pem = std::fs::read(path).map_err(|error| {
            setup(
                format!(
                    "`tls.certificate`: {} can't be read: {error}",
                    path.display()
                ),
                "see that it is there, and that this user may read it",
            )
        })?;
        let key = auth::secret(key, location)?;
        pem.push(b'\n');
        pem.extend_from_slice(key.reveal().as_bytes());
        // What is wrong with it is not repeated: it could quote the key.
        let identity = reqwest::Identity::from_pem(&pem).map_err(|_| {
            setup(
                format!(
                    "`tls.certificate` and `tls.key`: {} and its key can't be read",
                    path.display()
                ),
                "both in PEM, the key without a passphrase: `-----BEGIN PRIVATE KEY-----`",
            )
        })?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| {
        setup(
            format!("no client could be made: {}", deepest(&error)),
            "check `tls` of the cluster in the plan; where the system has no certificate authorities, write `tls: { ca: FILE }`",
        )
    })
}

pub(super) fn is_loopback(location: &str) -> bool {
    let host = location
        .split_once("://")
        .map_or(location, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"]
        .iter()
        .any(|start| host.starts_with(start))
}

/// Whether the way to a cluster without TLS may lead through a proxy with it.
fn proxy_with_tls() -> bool {
    ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        .iter()
        .filter_map(std::env::var_os)
        .any(|proxy| proxy.to_string_lossy().starts_with("https:"))
}

/// What a failure of the transport means.
pub(super) fn failure(
    error: &reqwest::Error,
    location: &str,
    call: &str,
    timeout: Duration,
) -> ClusterError {
    let (location, call) = (location.to_owned(), call.to_owned());
    if let Some(tls) = of_tls(error) {
        let (reason, help) = distrust(tls);
        return ClusterError::Untrusted {
            location,
            reason,
            help: help.to_owned(),
        };
    }
    let reason = deepest(error);
    if error.is_connect() {
        ClusterError::Unreachable { location, reason }
    } else if error.is_timeout() {
        ClusterError::Timeout {
            location,
            call,
            after: timeout,
        }
    } else {
        ClusterError::Broken {
            location,
            call,
            reason,
        }
    }
}

/// The first cause, which says most; never the address, which the error itself would repeat.
fn deepest(error: &reqwest::Error) -> String {
    let mut cause: Option<&dyn Error> = error.source();
    let mut reason = String::new();
    while let Some(inner) = cause {
        reason = inner.to_string();
        cause = inner.source();
    }
    reason
}

fn of_tls(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An IO error hides what it wraps from `source`; it may be another one.
        let wrapped = inner
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => inner.source(),
        };
    }
    None
}

fn distrust(error: &rustls::Error) -> (String, &'static str) {
    use rustls::{AlertDescription, CertificateError, Error as Tls};
    let help = match error {
        Tls::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "write `tls: { ca: FILE }` with the authority that signed the cluster's certificate",
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "use a name in `endpoint` that stands in the cluster's certificate",
        Tls::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "renew the cluster's certificate",
        Tls::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::HandshakeFailure,
        ) => {
            "the cluster may want a client certificate that it knows: write `tls: { certificate: FILE, key: { file: FILE } }`"
        }
        Tls::InvalidMessage(_) => "the cluster may speak no TLS there: try `http://` in `endpoint`",
        _ => "check `tls` of the cluster in the plan",
    };
    (error.to_string(), help)
}
