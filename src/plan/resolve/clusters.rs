//! Clusters and stores: addresses, versions, credentials, access.

use std::collections::BTreeMap;

use crate::base::{Address, S3Uri};
use crate::plan::codes::language as code;
use crate::plan::decode::{Context, first_of};
use crate::plan::diagnostics::Diagnostic;
use crate::plan::language::{self, AuthKind, PlanFile, SecretPlace, SecretRef};
use crate::plan::location::{Location, Spanned};
use crate::plan::model::{self, Access, Auth, Cluster, ClusterAt, Nodes, Store, StoreAt, Tls};
use crate::plan::scalars::{Service, Text};
use crate::plan::versions;

/// Every cluster; `None` where it is told what is wrong.
pub(super) fn clusters(
    file: &PlanFile,
    cx: &mut Context<'_>,
) -> BTreeMap<Address, Option<Written>> {
    file.clusters
        .iter()
        .flat_map(|clusters| &clusters.0)
        .map(|(name, cluster)| {
            let address = Address::new(name.value.clone());
            (address, self::cluster(name, cluster, cx))
        })
        .collect()
}

/// A cluster, and the place of its `access` where that is written.
pub(super) struct Written {
    pub(super) cluster: Cluster,
    pub(super) access: Option<Spanned<Access>>,
}

fn has(given: &[String], keys: &[&str]) -> bool {
    given.iter().any(|key| keys.contains(&key.as_str()))
}

fn cluster(
    name: &Spanned<String>,
    written: &language::Cluster,
    cx: &mut Context<'_>,
) -> Option<Written> {
    let at = match (&written.endpoint, &written.directory) {
        (Some(endpoint), None) => check_endpoint(endpoint, cx)
            .then(|| ClusterAt::Endpoint(endpoint.value.trim_end_matches('/').to_owned())),
        (None, Some(directory)) => Some(ClusterAt::Directory(directory.path.clone())),
        (Some(endpoint), Some(directory)) => {
            cx.push(
                Diagnostic::new(
                    code::ONE_OF_SEVERAL,
                    format!("`{}` has both an `endpoint` and a `directory`", name.value),
                )
                .at(directory.location)
                .related(endpoint.location, "the endpoint")
                .help("keep one of the two"),
            );
            None
        }
        // Written, and told already what is wrong with it.
        (None, None) if has(&written.given, &["endpoint", "directory"]) => None,
        (None, None) => {
            cx.push(
                Diagnostic::new(
                    code::MISSING_KEY,
                    format!("`{}` has neither `endpoint` nor `directory`", name.value),
                )
                .at(name.location)
                .help("add `endpoint: https://…`, or `directory: PATH` with `as: VERSION`"),
            );
            None
        }
    };
    let directory = has(&written.given, &["directory"]) && !has(&written.given, &["endpoint"]);
    let version = if directory {
        directory_version(name, written, cx)
    } else {
        if let Some(version) = &written.r#as
            && !has(&written.given, &["directory"])
        {
            cx.push(
                Diagnostic::new(code::NO_MEANING_HERE, "`as` belongs to a `directory`")
                    .at(version.0.location)
                    .help("write `version` for what a cluster must be"),
            );
        }
        match &written.version {
            None => Some((None, None)),
            Some(version) => self::version(&version.0, false, cx)
                .map(|(product, version)| (product, Some(version))),
        }
    };
    let auth = match &written.auth {
        None | Some(language::Auth::None) => Some(Auth::None),
        Some(language::Auth::Kind(kind)) => self::auth(kind),
    };
    let tls = written.tls.as_ref().map(|tls| self::tls(tls, cx));
    let (product, version) = version?;
    Some(Written {
        cluster: Cluster {
            at: at?,
            product,
            version,
            access: Access::ReadOnly,
            auth: auth?,
            tls: tls.unwrap_or_default(),
            nodes: written
                .nodes
                .as_ref()
                .map_or_else(Nodes::default, |it| it.value),
            compress: written.compress.as_ref().map(|it| it.value),
            location: name.location,
        },
        access: written.access.clone(),
    })
}

type Versioned = (
    Option<crate::base::version::Product>,
    Option<crate::base::version::Version>,
);

fn directory_version(
    name: &Spanned<String>,
    written: &language::Cluster,
    cx: &mut Context<'_>,
) -> Option<Versioned> {
    let meaningless: [(&str, Option<Location>); 5] = [
        (
            "version",
            written.version.as_ref().map(|version| version.0.location),
        ),
        (
            "auth",
            matches!(written.auth, Some(language::Auth::Kind(_))).then_some(name.location),
        ),
        (
            "tls",
            written.tls.as_ref().map(|tls| first_of(tls.location)),
        ),
        ("nodes", written.nodes.as_ref().map(|it| it.location)),
        ("compress", written.compress.as_ref().map(|it| it.location)),
    ];
    for (key, location) in meaningless {
        if let Some(location) = location {
            let help = if key == "version" {
                "write `as: VERSION`: what the directory stands for"
            } else {
                "take it out"
            };
            cx.push(
                Diagnostic::new(
                    code::NO_MEANING_HERE,
                    format!("`{key}` has no meaning for a directory target"),
                )
                .at(location)
                .help(help),
            );
        }
    }
    let Some(version) = &written.r#as else {
        if has(&written.given, &["as"]) {
            return None;
        }
        cx.push(
            Diagnostic::new(
                code::MISSING_KEY,
                format!("`{}` doesn't say which version it stands for", name.value),
            )
            .at(name.location)
            .help("add `as: \"2.19\"`"),
        );
        return None;
    };
    let (product, number) = self::version(&version.0, true, cx)?;
    Some((product, Some(number)))
}

/// Tells that a version can't be written; `hop` is the hop that leads there.
pub(super) fn unsupported_target(
    (name, hop): (&Address, Option<&str>),
    cluster: &Cluster,
    at: Location,
    cx: &mut Context<'_>,
) {
    let version = match (cluster.product, cluster.version) {
        (Some(product), Some(version)) => format!("{product} {version}"),
        (None, Some(version)) => version.to_string(),
        _ => "it".to_owned(),
    };
    cx.push(
        Diagnostic::new(
            code::UNSUPPORTED_TARGET,
            match hop {
                None => format!("mig does not write to {version}, the version of `{name}`"),
                Some(hop) => format!(
                    "mig does not write to {version}, the version of `{name}`, where hop `{hop}` leads"
                ),
            },
        )
        .at(at)
        .help(
            cluster
                .version
                .and_then(|version| versions::why_no_target(cluster.product, version))
                .unwrap_or("targets are OpenSearch 1 to 3, and Elasticsearch 6.8 to 7.17"),
        ),
    );
}

fn version(
    text: &Text,
    directory: bool,
    cx: &mut Context<'_>,
) -> Option<(
    Option<crate::base::version::Product>,
    crate::base::version::Version,
)> {
    match versions::read(&text.value, directory) {
        Ok(version) => Some(version),
        Err(diagnostic) => {
            cx.push(diagnostic.at(text.location));
            None
        }
    }
}

fn auth(kind: &AuthKind) -> Option<Auth> {
    Some(match kind {
        AuthKind::Basic(basic) => Auth::Basic {
            user: basic.user.as_ref()?.value.clone(),
            password: secret(basic.password.as_ref()?),
        },
        AuthKind::ApiKey(key) => Auth::ApiKey(secret(key)),
        AuthKind::Sigv4(sigv4) => Auth::Sigv4 {
            region: sigv4.region.as_ref()?.value.clone(),
            service: match sigv4.service.as_ref()?.value {
                Service::Es => "es",
                Service::Aoss => "aoss",
            }
            .to_owned(),
        },
    })
}

fn secret(SecretRef(place): &SecretRef) -> model::SecretRef {
    match place {
        SecretPlace::Env(name) => model::SecretRef::Env(name.value.clone()),
        SecretPlace::File(path) => model::SecretRef::File(path.path.clone()),
        SecretPlace::AwsSecret(name) => model::SecretRef::AwsSecret(name.value.clone()),
    }
}

fn tls(written: &language::Tls, cx: &mut Context<'_>) -> Tls {
    match (&written.certificate, &written.key) {
        (Some(certificate), None) if !has(&written.given, &["key"]) => cx.push(
            Diagnostic::new(code::MISSING_KEY, "`key` is missing beside `certificate`")
                .at(certificate.location)
                .help("add `key: { file: PATH }`"),
        ),
        (None, Some(_)) if !has(&written.given, &["certificate"]) => cx.push(
            Diagnostic::new(code::MISSING_KEY, "`certificate` is missing beside `key`")
                .at(first_of(written.location))
                .help("add `certificate: PATH`"),
        ),
        _ => {}
    }
    Tls {
        ca: written.ca.as_ref().map(|path| path.path.clone()),
        certificate: written.certificate.as_ref().map(|path| path.path.clone()),
        key: written.key.as_ref().map(secret),
        insecure: written.insecure.as_ref().is_some_and(|flag| flag.value),
    }
}

/// Every store that is right.
pub(super) fn stores(file: &PlanFile, cx: &mut Context<'_>) -> BTreeMap<Address, Store> {
    file.stores
        .iter()
        .flat_map(|stores| &stores.0)
        .filter_map(|(name, store)| {
            let at = store_at(name, store, cx)?;
            let store = Store {
                at,
                location: name.location,
            };
            Some((Address::new(name.value.clone()), store))
        })
        .collect()
}

fn store_at(
    name: &Spanned<String>,
    written: &language::Store,
    cx: &mut Context<'_>,
) -> Option<StoreAt> {
    match (&written.directory, &written.s3) {
        (Some(directory), None) => Some(StoreAt::Directory {
            path: directory.path.clone(),
            // A path of the cluster's machine: taken as it is written.
            on_cluster: written
                .on_cluster
                .as_ref()
                .map(|path| std::path::PathBuf::from(&path.value)),
        }),
        (None, Some(s3)) => {
            if let Some(path) = &written.on_cluster {
                cx.push(
                    Diagnostic::new(
                        code::NO_MEANING_HERE,
                        "`on-cluster` belongs to a `directory`",
                    )
                    .at(path.location)
                    .help("take it out"),
                );
            }
            if let Some(endpoint) = &s3.endpoint {
                check_endpoint(endpoint, cx);
            }
            let uri = s3.uri.as_ref()?;
            check_s3(uri, false, cx).then(|| StoreAt::S3 {
                uri: uri.value.trim_end_matches('/').to_owned(),
                region: s3.region.as_ref().map(|text| text.value.clone()),
                endpoint: s3.endpoint.as_ref().map(|text| text.value.clone()),
                path_style: s3.path_style.as_ref().map(|written| written.value),
                role: s3.role.as_ref().map(|text| text.value.clone()),
            })
        }
        (Some(directory), Some(_)) => {
            cx.push(
                Diagnostic::new(
                    code::ONE_OF_SEVERAL,
                    format!("`{}` is both a `directory` and `s3`", name.value),
                )
                .at(directory.location)
                .help("keep one of the two"),
            );
            None
        }
        (None, None) if has(&written.given, &["directory", "s3"]) => None,
        (None, None) => {
            cx.push(
                Diagnostic::new(
                    code::MISSING_KEY,
                    format!("`{}` has neither `directory` nor `s3`", name.value),
                )
                .at(name.location)
                .help("add `directory: PATH` or `s3: { uri: s3://BUCKET/PREFIX }`"),
            );
            None
        }
    }
}

/// Tells when a text is no HTTP address, or holds credentials (which it then doesn't show).
fn check_endpoint(text: &Text, cx: &mut Context<'_>) -> bool {
    let value = text.value.as_str();
    let after_scheme = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = after_scheme
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    if authority.contains('@') {
        cx.push(
            Diagnostic::new(code::URL_CREDENTIALS, "the address holds credentials")
                .at(text.location)
                .help("take them out, and write `auth: { basic: { user: …, password: { env: NAME } } }`"),
        );
        return false;
    }
    let scheme = value.starts_with("http://") || value.starts_with("https://");
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let clean = !value.contains(['?', '#']) && !value.contains(char::is_whitespace);
    if scheme && !host.is_empty() && port_fits && clean {
        return true;
    }
    let help = if !scheme && !value.contains("://") && !host.is_empty() && clean {
        format!("write `https://{value}`, or `http://{value}` without TLS")
    } else {
        "write it such as `https://es.internal:9200`".to_owned()
    };
    cx.push(
        Diagnostic::new(code::BAD_ADDRESS, format!("`{value}` is no HTTP address"))
            .at(text.location)
            .help(help),
    );
    false
}

/// Tells when a text is not `s3://bucket/prefix`. With `server`, `?endpoint=…` may stand behind it.
pub(super) fn check_s3(text: &Text, server: bool, cx: &mut Context<'_>) -> bool {
    let parsed = S3Uri::parse(&text.value);
    let (problem, help) = match &parsed {
        Ok(uri) if !server && text.value.contains('?') => (
            "says more than a place".to_owned(),
            format!(
                "write `{}`, and `endpoint:`, `region:` or `path-style:` beside it",
                uri.place()
            ),
        ),
        Ok(uri) => {
            let endpoint = uri.endpoint.as_ref().map(|endpoint| Text {
                value: endpoint.clone(),
                location: text.location,
            });
            return endpoint.is_none_or(|endpoint| check_endpoint(&endpoint, cx));
        }
        Err(problem) if server => (
            problem.clone(),
            "write `s3://BUCKET/PREFIX`, or `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`"
                .to_owned(),
        ),
        Err(problem) => (problem.clone(), "write `s3://BUCKET/PREFIX`".to_owned()),
    };
    // What stands behind `?` may hold credentials.
    let shown = text.value.split('?').next().unwrap_or_default();
    cx.push(
        Diagnostic::new(
            code::BAD_ADDRESS,
            format!("`{shown}` is no place in S3: it {problem}"),
        )
        .at(text.location)
        .help(help),
    );
    false
}
