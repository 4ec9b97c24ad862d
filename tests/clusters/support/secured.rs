//! An OpenSearch with the security plugin: TLS by an authority of its own, one administrator, client certificates.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use mig::clients::cluster::ClusterClient;
use mig::plan::location::Location;
use mig::plan::model::{Access, Auth, Cluster, ClusterAt, SecretRef, Tls};
use mig::sandbox::{NodeSpec, Plugin, Server};
use serde_json::{Value, json};

use super::server::sandbox;

/// The server and what its clients need.
pub(crate) struct Secured {
    url: String,
    files: PathBuf,
}

/// The shared one.
pub(crate) fn secured() -> &'static Secured {
    static SERVER: OnceLock<Secured> = OnceLock::new();
    SERVER.get_or_init(Secured::start)
}

impl Secured {
    fn start() -> Self {
        let sandbox = sandbox();
        let node = sandbox.node("secured");
        let configuration = node.configuration();
        let files = sandbox.directory().join("secured-files");
        certificates(&files);
        let servers = configuration.join("certificates");
        std::fs::create_dir_all(&servers).unwrap();
        for name in ["ca.pem", "node.pem", "node.key"] {
            std::fs::copy(files.join(name), servers.join(name)).unwrap();
        }
        security(&configuration.join("opensearch-security"));
        let mut spec = NodeSpec::new(Server::parse("opensearch:2.19.1").unwrap());
        spec.plugins.push(Plugin {
            name: "opensearch-security".into(),
            coordinates: "org.opensearch.plugin:opensearch-security:2.19.1.0:zip".into(),
        });
        for layer in ["transport", "http"] {
            for (key, name) in [
                ("pemcert_filepath", "node.pem"),
                ("pemkey_filepath", "node.key"),
                ("pemtrustedcas_filepath", "ca.pem"),
            ] {
                spec.settings.insert(
                    format!("plugins.security.ssl.{layer}.{key}"),
                    json!(format!("certificates/{name}")),
                );
            }
        }
        for (name, value) in [
            ("ssl.http.enabled", json!(true)),
            ("ssl.http.clientauth_mode", json!("OPTIONAL")),
            ("ssl.transport.enforce_hostname_verification", json!(false)),
            ("allow_default_init_securityindex", json!(true)),
            ("nodes_dn", json!(["CN=node,O=mig-test"])),
            ("restapi.roles_enabled", json!(["all_access"])),
        ] {
            spec.settings
                .insert(format!("plugins.security.{name}"), value);
        }
        node.launch(&spec, &sandbox.repositories(), &|_| ())
            .unwrap_or_else(|error| panic!("{error}\n{}", error.help().join("\n")));
        let server = Self {
            url: node.url().unwrap().replace("http:", "https:"),
            files,
        };
        // It knows nobody until it has made its own index.
        let deadline = std::time::Instant::now() + std::time::Duration::from_mins(3);
        while std::time::Instant::now() < deadline {
            let client = ClusterClient::open(&server.cluster(server.admin())).unwrap();
            if client.about().is_ok() && node.wait(&client).is_ok() {
                return server;
            }
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        panic!("{}", std::fs::read_to_string(node.log()).unwrap());
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where its repositories may be.
    pub(crate) fn repositories() -> PathBuf {
        sandbox().repositories()
    }

    /// `ca.pem`, and `mig.pem` with `mig.key` of a client of that name.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }

    /// Its administrator, whose password is `admin`.
    pub(crate) fn admin(&self) -> Auth {
        Auth::Basic {
            user: "admin".into(),
            password: SecretRef::File(self.file("admin-password")),
        }
    }

    /// As a plan has it.
    pub(crate) fn cluster(&self, auth: Auth) -> Cluster {
        Cluster {
            at: ClusterAt::Endpoint(self.url.clone()),
            product: None,
            version: None,
            access: Access::ReadWrite,
            auth,
            tls: Tls {
                ca: Some(self.file("ca.pem")),
                ..Tls::default()
            },
            nodes: mig::plan::model::Nodes::default(),
            compress: None,
            location: Location::default(),
        }
    }
}

/// An authority, and what it signs: for the node and for the client `mig`.
fn certificates(into: &Path) {
    std::fs::create_dir_all(into).unwrap();
    std::fs::write(into.join("admin-password"), "admin\n").unwrap();
    let openssl = |arguments: &[&str]| {
        let run = Command::new("openssl")
            .args(arguments)
            .current_dir(into)
            .output()
            .expect("openssl is installed");
        let words = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "openssl {arguments:?}: {words}");
    };
    let authority = "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /O=mig-test/CN=ca -keyout ca.key -out ca.pem";
    openssl(&authority.split(' ').collect::<Vec<_>>());
    for (name, extensions) in [
        (
            "node",
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n",
        ),
        ("mig", "extendedKeyUsage=clientAuth\n"),
    ] {
        std::fs::write(into.join(format!("{name}.ext")), extensions).unwrap();
        let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
        let subject = format!("/O=mig-test/CN={name}");
        openssl(&[
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout", &key, "-out",
            &request,
        ]);
        let (extensions, certificate) = (format!("{name}.ext"), format!("{name}.pem"));
        openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "30",
            "-extfile",
            &extensions,
            "-out",
            &certificate,
        ]);
    }
}

/// What the plugin begins with. JSON is YAML too.
fn security(into: &Path) {
    std::fs::create_dir_all(into).unwrap();
    let file = |name: &str, kind: &str, mut body: Value| {
        body["_meta"] = json!({ "type": kind, "config_version": 2 });
        std::fs::write(into.join(name), body.to_string()).unwrap();
    };
    let domain = |order: u8, kind: &str, config: Value, challenge: bool, backend: &str| {
        json!({
            "http_enabled": true,
            "transport_enabled": false,
            "order": order,
            "http_authenticator": { "type": kind, "challenge": challenge, "config": config },
            "authentication_backend": { "type": backend, "config": {} },
        })
    };
    let authc = json!({
        "certificates": domain(1, "clientcert", json!({ "username_attribute": "cn" }), false, "noop"),
        "passwords": domain(2, "basic", json!({}), true, "intern"),
    });
    let dynamic =
        json!({ "http": { "anonymous_auth_enabled": false }, "authc": authc, "authz": {} });
    file(
        "config.yml",
        "config",
        json!({ "config": { "dynamic": dynamic } }),
    );
    // Of the password `admin`.
    let hash = "$2a$12$VcCDgh2NDk07JGN0rjGbM.Ad41qVR/YFJcgHp0UGns5JDymv..TOG";
    file(
        "internal_users.yml",
        "internalusers",
        json!({ "admin": { "hash": hash, "reserved": true, "backend_roles": ["admin"] } }),
    );
    file(
        "roles_mapping.yml",
        "rolesmapping",
        json!({ "all_access": { "reserved": false, "backend_roles": ["admin"] } }),
    );
    for (name, kind) in [
        ("roles.yml", "roles"),
        ("action_groups.yml", "actiongroups"),
        ("tenants.yml", "tenants"),
        ("nodes_dn.yml", "nodesdn"),
    ] {
        file(name, kind, json!({}));
    }
    for (name, kind) in [
        ("whitelist.yml", "whitelist"),
        ("allowlist.yml", "allowlist"),
    ] {
        file(
            name,
            kind,
            json!({ "config": { "enabled": false, "requests": {} } }),
        );
    }
    file(
        "audit.yml",
        "audit",
        json!({ "config": { "enabled": false } }),
    );
}
