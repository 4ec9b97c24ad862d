//! Objects of real clusters: what one server holds is translated, made on another, read back, and equal.

use std::collections::BTreeSet;

use mig::clients::cluster::Request;
use mig::clients::target::{ClusterTarget, Target, TargetError};
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::metadata::{Versions, differences, held_back, release, translate};
use serde_json::{Map, Value, json};

use super::support::{Scope, Server, elasticsearch, opensearch2, opensearch3};

fn target(server: &Server, scope: &Scope<'_>) -> ClusterTarget {
    ClusterTarget::open(server.client(), scope.prefix(), scope.prefix()).unwrap()
}

fn key(kind: ObjectKind, name: &str) -> ObjectKey {
    ObjectKey {
        kind,
        name: name.to_owned(),
    }
}

fn index(name: &str) -> ObjectKey {
    key(ObjectKind::Index, name)
}

fn template(scope: &Scope<'_>, kind: ObjectKind, name: &str, body: &Value) -> (ObjectKey, Value) {
    let mut body = body.clone();
    if kind != ObjectKind::ComponentTemplate {
        body["index_patterns"] = json!([scope.name(&format!("{name}-*"))]);
    }
    (key(kind, &scope.name(name)), body)
}

/// Every type of field that the minimal 7.10.2 takes, with what it can be given.
fn all_types() -> Value {
    let mut properties = json!({
        "text": {"type": "text", "analyzer": "standard", "search_analyzer": "whole", "boost": 2, "index_options": "offsets",
            "norms": false, "term_vector": "with_positions_offsets", "fielddata": true, "position_increment_gap": 50,
            "index_prefixes": {"min_chars": 2, "max_chars": 4}, "index_phrases": true, "similarity": "tuned",
            "fields": {"raw": {"type": "keyword", "ignore_above": 256}, "n": {"type": "text", "store": true}},
            "meta": {"unit": "words"}},
        "keyword": {"type": "keyword", "doc_values": false, "eager_global_ordinals": true, "ignore_above": 10, "index": true,
            "norms": true, "null_value": "NULL", "normalizer": "lower", "split_queries_on_whitespace": true, "similarity": "BM25",
            "copy_to": ["all", "keyword2"], "store": true, "boost": 1.5},
        "keyword2": {"type": "keyword"},
        "all": {"type": "text"},
        "long": {"type": "long", "coerce": false, "ignore_malformed": true, "null_value": -9_223_372_036_854_775_808_i64, "store": true},
        "integer": {"type": "integer", "index": false},
        "short": {"type": "short", "doc_values": false},
        "byte": {"type": "byte", "null_value": 1},
        "double": {"type": "double", "null_value": 1.5e300},
        "float": {"type": "float", "boost": 0.5},
        "half": {"type": "half_float"},
        "date": {"type": "date", "format": "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis", "locale": "de", "ignore_malformed": true},
        "plain-date": {"type": "date"},
        "nanos": {"type": "date_nanos", "format": "strict_date_optional_time_nanos", "null_value": "1970-01-01T00:00:00.000000001Z"},
        "boolean": {"type": "boolean", "null_value": false},
        "binary": {"type": "binary", "doc_values": true},
        "ip": {"type": "ip", "null_value": "::1", "ignore_malformed": true},
        "geo": {"type": "geo_point", "ignore_z_value": false, "null_value": {"lat": 1.0, "lon": 2.0}},
        "ints": {"type": "integer_range", "coerce": false},
        "longs": {"type": "long_range"},
        "dates": {"type": "date_range", "format": "epoch_second"},
        "ips": {"type": "ip_range"},
        "floats": {"type": "float_range", "store": true},
        "doubles": {"type": "double_range"},
        "suggest": {"type": "completion", "analyzer": "standard", "max_input_length": 40, "preserve_separators": false,
            "preserve_position_increments": false,
            "contexts": [{"name": "place", "type": "geo", "precision": 4}, {"name": "kind", "type": "category", "path": "keyword2"}]},
        "nested": {"type": "nested", "include_in_parent": true, "dynamic": "strict",
            "properties": {"a": {"type": "long"}, "deep": {"type": "nested", "properties": {"b": {"type": "keyword"}}}}},
        "nested-root": {"type": "nested", "include_in_root": true, "properties": {"c": {"type": "date"}}},
        "off": {"type": "object", "enabled": false},
        "closed": {"type": "object", "dynamic": false, "properties": {"x": {"type": "text"}}},
        "strict": {"dynamic": "strict", "properties": {"x": {"type": "text"}}},
        "open": {"dynamic": true, "properties": {"x": {"type": "text"}}},
        "empty": {"type": "object"},
        "dotted.name.deep": {"type": "keyword"},
        "other": {"type": "alias", "path": "keyword2"},
        "größe 🧶": {"type": "long"},
    });
    for number in 0..300 {
        properties[format!("field_{number}")] = json!({"type": "keyword"});
    }
    json!({
        "settings": {
            "number_of_shards": 3, "number_of_routing_shards": 30, "number_of_replicas": 0,
            "refresh_interval": "7s", "max_result_window": 20000, "codec": "best_compression",
            "mapping": {"total_fields": {"limit": 2000}, "nested_fields.limit": 60, "depth.limit": 25},
            "translog": {"durability": "async", "sync_interval": "7s"},
            "merge.policy.segments_per_tier": 12, "merge.scheduler.max_thread_count": 1,
            "search.slowlog.threshold.query.warn": "10s", "indexing.slowlog.source": 100,
            "soft_deletes.enabled": true, "gc_deletes": "5m", "priority": 5, "query.default_field": ["text", "keyword2"],
            "unassigned.node_left.delayed_timeout": "2m", "highlight.max_analyzed_offset": 500_000,
            "similarity.tuned": {"type": "BM25", "b": 0.5, "k1": 1.0, "discount_overlaps": false},
            "analysis": {
                "analyzer": {"whole": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "stop", "brief"]}},
                "normalizer": {"lower": {"type": "custom", "filter": ["lowercase"]}},
                "filter": {"brief": {"type": "stop", "stopwords": ["a", "b"]}}},
        },
        "mappings": {
            "_meta": {"owner": "web", "numbers": [1, 2.5, true]},
            "_source": {"excludes": ["secret.*"]},
            "_routing": {"required": true},
            "dynamic": "true", "date_detection": false, "numeric_detection": true,
            "dynamic_date_formats": ["yyyy/MM/dd", "strict_date_optional_time"],
            "dynamic_templates": [
                {"names": {"match": "*_name", "match_mapping_type": "string", "mapping": {"type": "text", "copy_to": "all"}}},
                {"rest": {"path_match": "some.*", "path_unmatch": "*.not", "match_pattern": "simple", "mapping": {"type": "{dynamic_type}", "index": false}}}],
            "properties": properties,
        },
    })
}

fn sorted() -> Value {
    json!({
        "settings": {"index": {"sort.field": ["at", "id"], "sort.order": ["desc", "asc"], "sort.missing": ["_last", "_first"],
            "number_of_shards": 1, "number_of_replicas": 0, "hidden": true}},
        "mappings": {"dynamic": "strict", "properties": {"at": {"type": "date"}, "id": {"type": "keyword"}}},
    })
}

/// What stands on the source: indices, then aliases and templates.
fn make_source(scope: &Scope<'_>) -> Vec<ObjectKey> {
    let source = elasticsearch();
    let names = ["types", "sorted.2020.11", "plain", "held"].map(|name| scope.name(name));
    source.put(&format!("/{}", names[0]), &all_types());
    source.put(&format!("/{}", names[1]), &sorted());
    source.put(&format!("/{}", names[2]), &json!({}));
    let held = json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0, "index.blocks.write": true,
        "index.auto_expand_replicas": "0-1", "index.routing.allocation.exclude.zone": "c"}});
    source.put(&format!("/{}", names[3]), &held);
    let alias = scope.name("al-ias");
    source.post(
        "/_aliases",
        &json!({"actions": [
            {"add": {"index": names[0], "alias": alias, "filter": {"bool": {"must": [{"term": {"keyword2": "x"}}, {"range": {"long": {"gte": 1}}}]}},
                "index_routing": "1", "search_routing": "1,2"}},
            {"add": {"index": names[1], "alias": alias, "is_write_index": true, "routing": "r"}},
            {"add": {"index": names[2], "alias": scope.name("hidden"), "is_hidden": true}}]}),
    );
    let section = json!({
        "settings": {"number_of_shards": 2, "index": {"refresh_interval": "5s", "mapping.total_fields.limit": 500}},
        "mappings": {"_meta": {"a": 1}, "dynamic": false,
            "dynamic_templates": [{"s": {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 100}}}],
            "properties": {"a": {"type": "object"}, "b.c": {"type": "keyword", "index": true}, "boost": {"type": "float", "boost": 1.0}}},
        "aliases": {scope.name("from-template"): {"routing": "x", "filter": {"term": {"a": 1}}, "is_write_index": false}},
    });
    let mut legacy = section.clone();
    legacy["order"] = json!(7);
    legacy["version"] = json!(3);
    let component = json!({"template": section, "version": 2, "_meta": {"x": {"y": [1]}}});
    let composed = json!({"template": section, "composed_of": [scope.name("component")], "priority": 5_000, "version": 1, "_meta": {"z": 1}});
    let mut keys: Vec<ObjectKey> = names.iter().map(|name| index(name)).collect();
    for (kind, api, name, body) in [
        (
            ObjectKind::ComponentTemplate,
            "_component_template",
            "component",
            component,
        ),
        (
            ObjectKind::IndexTemplate,
            "_index_template",
            "composed",
            composed,
        ),
        (
            ObjectKind::IndexTemplate,
            "_index_template",
            "bare",
            json!({"priority": 6_000}),
        ),
        (ObjectKind::LegacyTemplate, "_template", "legacy", legacy),
        (
            ObjectKind::LegacyTemplate,
            "_template",
            "bare-legacy",
            json!({}),
        ),
    ] {
        let (key, body) = template(scope, kind, name, &body);
        source.put(&format!("/{api}/{}", key.name), &body);
        keys.push(key);
    }
    keys.push(key(ObjectKind::Alias, &alias));
    keys.push(key(ObjectKind::Alias, &scope.name("hidden")));
    keys.sort();
    keys
}

#[test]
fn what_elasticsearch_holds_is_equal_on_opensearch() {
    let scope = Scope::on(&[elasticsearch(), opensearch2(), opensearch3()], "objects");
    let keys = make_source(&scope);
    let source = target(elasticsearch(), &scope);
    let found = source.get_many(&keys).unwrap();
    let names: Vec<_> = found.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(names, keys, "all that was made is read, in this order");
    for key in &keys {
        assert!(
            source.list(key.kind).unwrap().contains(&key.name),
            "{key:?}"
        );
    }
    for server in [opensearch2(), opensearch3()] {
        let target = target(server, &scope);
        target.prepare(scope.prefix()).unwrap();
        let versions = Versions {
            source: source.version(),
            target: target.version(),
        };
        let wanted: Vec<(ObjectKey, Value)> = found
            .iter()
            .map(|(key, body)| {
                let translation = translate(key, body, versions, &BTreeSet::new());
                (key.clone(), translation.body)
            })
            .collect();
        assert_eq!(target.refusals(&wanted).unwrap(), []);
        for (key, body) in &wanted {
            target
                .put(key, body)
                .unwrap_or_else(|error| panic!("{key:?}: {error}"));
        }
        let made = target.get_many(&keys).unwrap();
        assert_eq!(made.len(), wanted.len());
        for ((key, body), (_, made)) in wanted.iter().zip(&made) {
            assert_eq!(
                differences(key.kind, body, made),
                [],
                "{key:?} on {}",
                target.version()
            );
            assert_eq!(held_back(body), held_back(made), "{key:?}");
            // Doing it again changes nothing.
            target.put(key, body).unwrap();
        }
        assert_eq!(target.get_many(&keys).unwrap(), made);
        for (key, body) in &made {
            if !held_back(body).is_empty() {
                target.put(key, &release(key.kind, body)).unwrap();
                let released = target.get(key).unwrap().unwrap();
                assert!(held_back(&released).is_empty());
                assert_eq!(differences(key.kind, body, &released), [], "{key:?}");
            }
        }
        let held = target.get(&index(&scope.name("held"))).unwrap().unwrap();
        assert_eq!(held["settings"]["index.blocks.write"], "true");
        assert_eq!(held["settings"]["index.auto_expand_replicas"], "0-1");
        same_shards(&scope.name("types"), server);
        for key in keys.iter().rev() {
            assert!(target.delete(key).unwrap(), "{key:?}");
            assert_eq!(target.get(key).unwrap(), None);
            assert!(!target.delete(key).unwrap());
        }
    }
}

/// Every routing leads to the same shard as at the source.
fn same_shards(index: &str, server: &Server) {
    for routing in 0..60 {
        let path = format!("/{index}/_search_shards?routing=r{routing}");
        let shard = |server: &Server| server.get(&path)["shards"][0][0]["shard"].clone();
        assert_eq!(shard(elasticsearch()), shard(server), "routing r{routing}");
        assert!(shard(server).is_number());
    }
}

#[test]
fn templates_of_the_target_have_no_say_in_what_is_made() {
    for server in [elasticsearch(), opensearch2(), opensearch3()] {
        let scope = Scope::on(&[server], "guard");
        let target = target(server, &scope);
        let name = scope.name("i-1");
        let section = json!({"settings": {"index.refresh_interval": "9s"}, "aliases": {scope.name("a"): {}},
            "mappings": {"dynamic": "strict", "properties": {"extra": {"type": "long"}}}});
        let mut legacy = section.clone();
        legacy["index_patterns"] = json!([scope.name("i-*")]);
        server.put(&format!("/_template/{}", scope.name("legacy")), &legacy);
        let composable =
            json!({"index_patterns": [scope.name("*")], "priority": 9000, "template": section});
        server.put(
            &format!("/_index_template/{}", scope.name("new")),
            &composable,
        );
        let body = json!({"settings": {"index.number_of_shards": "1", "index.number_of_replicas": "0"},
            "mappings": {"properties": {"a": {"type": "keyword"}}}});
        target.put(&index(&name), &body).unwrap();
        let made = target.get(&index(&name)).unwrap().unwrap();
        assert_eq!(differences(ObjectKind::Index, &body, &made), []);
        assert_eq!(made["mappings"], body["mappings"]);
        assert_eq!(
            target
                .get(&key(ObjectKind::Alias, &scope.name("a")))
                .unwrap(),
            None
        );
        let left = server.try_get(&format!("/_index_template/mig-no-template-{name}"));
        assert!(left.is_err(), "{left:?}");
        // What a killed run leaves is taken away by the next one of the same state, and by no other.
        for lineage in [scope.prefix(), "another"] {
            let guard = json!({"index_patterns": [scope.name(lineage)], "priority": 2_147_483_000, "_meta": {"mig": {"lineage": lineage}}});
            server.put(
                &format!("/_index_template/mig-no-template-{}", scope.name(lineage)),
                &guard,
            );
        }
        target.prepare(scope.prefix()).unwrap();
        let guard =
            |lineage: &str| format!("/_index_template/mig-no-template-{}", scope.name(lineage));
        assert!(server.try_get(&guard(scope.prefix())).is_err());
        server.get(&guard("another"));
        server.delete(&guard("another"));
    }
}

#[test]
fn an_index_is_changed_in_place_or_made_anew_and_never_loses_documents() {
    for server in [elasticsearch(), opensearch2(), opensearch3()] {
        let scope = Scope::on(&[server], "change");
        let target = target(server, &scope);
        let name = scope.name("i");
        let body = |shards: &str, extra: Value| {
            json!({"settings": {"index.number_of_shards": shards, "index.number_of_replicas": "0"},
                "mappings": {"properties": extra}})
        };
        let uuid = || {
            let body = target.get(&index(&name)).unwrap().unwrap();
            body["settings"]["index.uuid"].as_str().unwrap().to_owned()
        };
        let first = body("1", json!({"a": {"type": "keyword"}}));
        target.put(&index(&name), &first).unwrap();
        let made = uuid();
        // Settings and growth: in place.
        let mut grown = body(
            "1",
            json!({"a": {"type": "keyword"}, "b": {"type": "long"}}),
        );
        grown["settings"]["index.refresh_interval"] = json!("3s");
        target.put(&index(&name), &grown).unwrap();
        assert_eq!(uuid(), made);
        let found = target.get(&index(&name)).unwrap().unwrap();
        assert_eq!(differences(ObjectKind::Index, &grown, &found), []);
        // Other shards: made anew while it is empty.
        let other = body("2", json!({"a": {"type": "text"}}));
        target.put(&index(&name), &other).unwrap();
        assert_ne!(uuid(), made);
        let found = target.get(&index(&name)).unwrap().unwrap();
        assert_eq!(differences(ObjectKind::Index, &other, &found), []);
        // With a document in it, seen by no search yet, it stays.
        server.put(
            &format!("/{name}/_settings"),
            &json!({"index.refresh_interval": "-1"}),
        );
        server.put(&format!("/{name}/_doc/1"), &json!({"a": "x"}));
        let before = uuid();
        let error = target.put(&index(&name), &first).unwrap_err();
        assert!(matches!(error, TargetError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("holds 1 document"), "{error}");
        assert_eq!((uuid(), server.count(&name)), (before, 1));
        // Emptied: another index with all that this one had.
        let alias = key(ObjectKind::Alias, &scope.name("al"));
        let over = json!({"indices": {name.clone(): {"filter": {"term": {"a": "x"}}, "search_routing": "s"}}});
        target.put(&alias, &over).unwrap();
        let mut waiting = target.get(&index(&name)).unwrap().unwrap();
        waiting["held_back"] = json!({"settings": {"index.blocks.write": "true"}});
        target.put(&index(&name), &waiting).unwrap();
        let (before, old) = (target.get(&index(&name)).unwrap().unwrap(), uuid());
        target.clear_documents(&name).unwrap();
        let after = target.get(&index(&name)).unwrap().unwrap();
        assert_ne!(uuid(), old);
        assert_eq!(differences(ObjectKind::Index, &before, &after), []);
        assert_eq!(held_back(&after), held_back(&before));
        assert_eq!(after["routing_num_shards"], before["routing_num_shards"]);
        assert_eq!(server.count(&name), 0);
        assert_eq!(target.get(&alias).unwrap().unwrap(), over);
        let gone = target.clear_documents(&scope.name("nothing")).unwrap_err();
        assert!(matches!(gone, TargetError::NoIndex { .. }), "{gone}");
        // A kill between the removal and the making: the next run makes it, and only what is gone.
        let body = target.get(&index(&name)).unwrap().unwrap();
        let mut left = json!({"kind": "remake", "plan": scope.prefix(), "lineage": scope.prefix(), "body":
            {"index": name, "uuid": body["settings"]["index.uuid"], "body": body, "aliases": {scope.name("al"): {"index_routing": "7"}}}});
        let path = format!("/.migrations_working_state/_doc/remake:{name}?refresh=true");
        server.put(&path, &left);
        let old = uuid();
        target.prepare(scope.prefix()).unwrap();
        assert_eq!(uuid(), old, "it was never removed");
        assert!(server.try_get(path.split('?').next().unwrap()).is_err());
        left["body"]["body"]["settings"]["index.refresh_interval"] = json!("11s");
        // Another's may be at it just now: it is left alone, whether its index is there or not.
        left["lineage"] = json!("another");
        server.put(&path, &left);
        target.prepare(scope.prefix()).unwrap();
        server.delete(&format!("/{name}"));
        target.prepare(scope.prefix()).unwrap();
        assert!(target.get(&index(&name)).unwrap().is_none());
        server.get(path.split('?').next().unwrap());
        left["lineage"] = json!(scope.prefix());
        server.put(&path, &left);
        target.prepare(scope.prefix()).unwrap();
        let again = target.get(&index(&name)).unwrap().unwrap();
        assert_eq!(again["settings"]["index.refresh_interval"], "11s");
        let over = json!({"indices": {name.clone(): {"index_routing": "7"}}});
        assert_eq!(target.get(&alias).unwrap().unwrap(), over);
        assert!(server.try_get(path.split('?').next().unwrap()).is_err());
        // Closing.
        target.set_closed(&name, true).unwrap();
        target.set_closed(&name, true).unwrap();
        assert!(target.is_closed(&name).unwrap());
        assert_eq!(target.get(&index(&name)).unwrap().unwrap()["closed"], true);
        target.set_closed(&name, false).unwrap();
        assert!(!target.is_closed(&name).unwrap());
    }
}

#[test]
fn an_alias_is_set_for_the_indices_that_are_named_and_no_others() {
    for server in [elasticsearch(), opensearch2(), opensearch3()] {
        let scope = Scope::on(&[server], "alias");
        let target = target(server, &scope);
        let [a, b, c] = ["a", "b", "c"].map(|name| scope.name(name));
        for name in [&a, &b, &c] {
            let body = json!({"settings": {"index.number_of_shards": "1", "index.number_of_replicas": "0"}, "mappings": {}});
            target.put(&index(name), &body).unwrap();
        }
        let name = scope.name("al");
        let alias = key(ObjectKind::Alias, &name);
        server.put(
            &format!("/{a}/_alias/{name}"),
            &json!({"filter": {"term": {"x": 1}}}),
        );
        let wanted = json!({"indices": {b.clone(): {"routing": "r", "is_write_index": true}, c.clone(): {}}});
        target.put(&alias, &wanted).unwrap();
        let found = target.get(&alias).unwrap().unwrap();
        assert_eq!(
            found,
            json!({"indices": {a.clone(): {"filter": {"term": {"x": 1}}},
                b.clone(): {"index_routing": "r", "search_routing": "r", "is_write_index": true}, c.clone(): {}}})
        );
        assert_eq!(differences(ObjectKind::Alias, &wanted, &found), []);
        // Two write indices: the server says no, and nothing changed.
        let two = json!({"indices": {c.clone(): {"is_write_index": true, "search_routing": "z"}}});
        let error = target.put(&alias, &two).unwrap_err().to_string();
        assert!(error.contains("more than one write index"), "{error}");
        assert_eq!(target.get(&alias).unwrap().unwrap(), found);
        let back = json!({"indices": {b.clone(): null, c.clone(): null}});
        target.put(&alias, &back).unwrap();
        let found = target.get(&alias).unwrap().unwrap();
        assert_eq!(
            found,
            json!({"indices": {a.clone(): {"filter": {"term": {"x": 1}}}}})
        );
    }
}

#[test]
fn a_target_says_beforehand_what_it_does_not_know_or_would_refuse() {
    for server in [elasticsearch(), opensearch2(), opensearch3()] {
        let scope = Scope::on(&[server], "asks");
        let target = target(server, &scope);
        let settings = json!({"index.number_of_shards": "1", "index.mapper.dynamic": "true", "index.sandwich.cheese": "2",
            "index.refresh_interval": "5 parsecs", "index.frozen": "true", "index.mapping.total_fields.limit": "2000"});
        let settings: Map<String, Value> = settings.as_object().unwrap().clone();
        let unknown = target.unknown_settings(&settings).unwrap();
        assert!(unknown.contains("index.sandwich.cheese"), "{unknown:?}");
        assert!(unknown.contains("index.frozen"), "{unknown:?}");
        assert!(!unknown.contains("index.refresh_interval"), "{unknown:?}");
        assert!(!unknown.contains("index.mapping.total_fields.limit"));
        let template = |kind, name: &str| ObjectKey {
            kind,
            name: scope.name(name),
        };
        let pattern = scope.name("t-*");
        let bodies = vec![
            // The one is whole by the other alone.
            (
                template(ObjectKind::IndexTemplate, "composed"),
                json!({"index_patterns": [pattern], "composed_of": [scope.name("part")],
                    "template": {"mappings": {"properties": {"a": {"type": "text", "analyzer": "own"}}}}}),
            ),
            (
                template(ObjectKind::ComponentTemplate, "part"),
                json!({"template": {"settings": {"index.analysis.analyzer.own.type": "standard"}}}),
            ),
            (
                template(ObjectKind::IndexTemplate, "alone"),
                json!({"index_patterns": [pattern], "template": {"mappings": {"properties": {"a": {"type": "text", "analyzer": "own"}}}}}),
            ),
            (
                index(&scope.name("good")),
                json!({"settings": {"index.number_of_shards": "1"}, "mappings": {"properties": {"a": {"type": "ip"}}}}),
            ),
            (
                index(&scope.name("type")),
                json!({"settings": {}, "mappings": {"properties": {"a": {"type": "murmur9"}}}}),
            ),
            (
                index(&scope.name("value")),
                json!({"settings": {"index.refresh_interval": "5 parsecs"}, "mappings": {}}),
            ),
        ];
        let refused = target.refusals(&bodies).unwrap();
        let words: Vec<String> = refused
            .iter()
            .map(|(key, words)| format!("{}: {words}", key.name))
            .collect();
        assert_eq!(refused.len(), 3, "{words:#?}");
        let alone = words.iter().find(|it| it.starts_with(&scope.name("alone")));
        assert!(
            alone.is_some_and(|it| it.contains("analyzer [own]")),
            "{words:#?}"
        );
        let text = words.join("\n");
        assert!(text.contains("No handler for type [murmur9]"), "{text}");
        assert!(text.contains("parsecs"), "{text}");
        assert!(!text.contains("simulate_template_"), "{text}");
        let nothing = server.get(&format!("/{}*?expand_wildcards=all", scope.name("good")));
        assert_eq!(nothing, json!({}), "nothing was made by asking");
    }
}

#[test]
fn thousands_of_names_are_read_by_a_few_calls() {
    let server = opensearch2();
    let scope = Scope::on(&[server], "many");
    let target = target(server, &scope);
    let keys: Vec<ObjectKey> = (0..5_000)
        .map(|number| index(&scope.name(&format!("not-there-{number}"))))
        .collect();
    assert_eq!(target.get_many(&keys).unwrap(), []);
    let name = scope.name("there");
    server.put(
        &format!("/{name}"),
        &json!({"settings": {"number_of_replicas": 0}}),
    );
    let mut keys = keys;
    keys.push(index(&name));
    let found = target.get_many(&keys).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0.name, name);
    server.client().send(Request::get("/")).unwrap();
}
