//! The harness itself: servers answer as themselves, and one that is killed comes back with what it had.

use serde_json::json;

use super::support::{Options, Scope, Server, elasticsearch, opensearch2, opensearch3};

#[test]
fn each_server_answers_with_its_version() {
    for (server, version) in [
        (elasticsearch(), "7.10.2"),
        (opensearch2(), "2.19.1"),
        (opensearch3(), "3.3.0"),
    ] {
        let about = server.get("/");
        assert_eq!(about["version"]["number"], version);
        assert!(server.repositories().is_dir());
    }
}

#[test]
fn a_killed_server_comes_back_on_its_port_with_its_data() {
    let server = Server::start("opensearch:2.19.1", &Options::default());
    let url = server.url().to_owned();
    let document = json!({ "kept": true });
    server.put("/smoke/_doc/1?refresh=true", &document);
    server.kill();
    assert!(server.try_get("/").is_err());
    server.restart();
    assert_eq!(server.url(), url);
    assert_eq!(server.get("/smoke/_doc/1")["_source"], document);
    server.stop();
    assert!(server.try_get("/").is_err());
    server.restart();
    assert_eq!(server.get("/smoke/_doc/1")["_source"], document);
}

#[test]
fn a_scope_removes_what_a_test_made_and_nothing_else() {
    let server = opensearch2();
    let scope = Scope::on(&[server], "smoke");
    let other = Scope::on(&[server], "smoke");
    for scope in [&scope, &other] {
        server.put(&format!("/{}", scope.name("index")), &json!({}));
        let template = json!({ "index_patterns": [scope.name("x-*")] });
        server.put(&format!("/_template/{}", scope.name("old")), &template);
        server.put(
            &format!("/_index_template/{}", scope.name("new")),
            &template,
        );
        let repository =
            json!({ "type": "fs", "settings": { "location": scope.repository(server) } });
        server.put(&format!("/_snapshot/{}", scope.name("shots")), &repository);
    }
    let paths = |scope: &Scope<'_>| {
        [
            format!("/{}", scope.name("index")),
            format!("/_template/{}", scope.name("old")),
            format!("/_index_template/{}", scope.name("new")),
            format!("/_snapshot/{}", scope.name("shots")),
        ]
    };
    let gone = paths(&scope);
    drop(scope);
    for path in gone {
        assert!(server.try_get(&path).is_err(), "{path} is still there");
    }
    for path in paths(&other) {
        server.get(&path);
    }
}
