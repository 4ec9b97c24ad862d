//! Which way indices take: a table of what stands against a restore, each with the rest in its favour.

use std::path::PathBuf;

use super::*;
use crate::diff::change::{Edit, Item};
use crate::diff::observation::{
    RestoreFacts, SourceGap, SourceGapKind, TargetIndexFacts, TypesFacts, Unreached, WorkFacts,
};
use crate::plan::load::{LoadOptions, load_with};

fn version(text: &str) -> ProductVersion {
    let (product, version) = text.split_at(2);
    let product = match product {
        "es" => Product::Elasticsearch,
        _ => Product::OpenSearch,
    };
    let version = version.parse().unwrap();
    ProductVersion { product, version }
}

/// A plan with these fields of the backfill, and these further phases and clusters.
fn plan(strategy: &str, fields: &str, clusters: &str, phases: &str) -> Plan {
    let path = PathBuf::from("/plan.yaml");
    let text = format!(
        "mig: 1\nplan: p\nclusters:\n  es: {{ endpoint: \"http://127.0.0.1:1\" }}\n  \
         os: {{ endpoint: \"http://127.0.0.1:2\", version: \"2.19\" }}\n{clusters}\
         stores: {{ s: {{ directory: /s }}, t: {{ directory: /t }} }}\n\
         transforms: {{ tidy: {{ indices: [\"*\"], steps: [{{ drop: [a] }}] }} }}\n\
         phases:\n  base: {{ snapshot: {{ of: es, to: s }} }}\n  meta: {{ metadata: {{ from: base, to: os }} }}\n  \
         docs: {{ backfill: {{ from: base, to: os, strategy: {strategy}{fields} }} }}\n{phases}"
    );
    let files = BTreeMap::from([(path.clone(), text.into_bytes())]);
    let loaded = load_with(&files, &path, &LoadOptions::default());
    loaded
        .plan
        .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn observed(target: &str) -> BackfillObservation {
    let facts = SnapshotIndexFacts {
        shards: 2,
        docs: Some(10),
        ..SnapshotIndexFacts::default()
    };
    let ground = RestoreGround {
        cluster: true,
        taken_by: Some(version("es7.10.2")),
        place: "/s".into(),
        unreached: None,
        indices: BTreeMap::from([(
            "x".to_owned(),
            RestoreFacts {
                created: Some(version("es7.10.2")),
                differs: Some(vec!["settings.\"index.lifecycle.name\"".into()]),
            },
        )]),
    };
    BackfillObservation {
        snapshot_uuid: Some("u".into()),
        source: BTreeMap::from([("x".to_owned(), facts)]),
        target: BTreeMap::from([(
            "x".to_owned(),
            TargetIndexFacts {
                uuid: "t".into(),
                docs: 0,
                content: None,
                foreign_docs: 0,
            },
        )]),
        work: None,
        other_work: None,
        live: false,
        streams: BTreeMap::new(),
        target_version: Some(version(target)),
        since: None,
        restored: BTreeMap::new(),
        restore: Some(Box::new(ground)),
    }
}

fn chosen(plan: &Plan, observed: &BackfillObservation, earlier: &[PhaseChange]) -> Way {
    let phase = &plan.phases[&Address::new("docs")];
    let PhaseSpec::Backfill(spec) = &phase.spec else {
        panic!("a backfill")
    };
    let scene = Scene {
        plan,
        phase,
        spec,
        observed,
        state: &State::default(),
    };
    scene.way("x", &observed.source["x"], Action::Run, Some(earlier))
}

/// Why the index is not restored: the code and the words of an explicit `restore`. With `auto` it has to be written for the
/// same reason.
#[track_caller]
fn refused(fields: &str, alter: impl Fn(&mut BackfillObservation)) -> (String, String) {
    let mut seen = observed("os2.19.1");
    alter(&mut seen);
    let Way::Ask(reasons) = chosen(&plan("restore", fields, "", ""), &seen, &[]) else {
        panic!("it is restored")
    };
    let words: Vec<&str> = reasons.iter().map(|it| it.what.as_str()).collect();
    let words = words.join(", and ");
    let auto = chosen(&plan("auto", fields, "", ""), &seen, &[]);
    assert_eq!(auto, Way::Write(Some(words.clone())));
    (reasons[0].code.to_string(), words)
}

/// Makes what was observed another thing.
type Alter = fn(&mut BackfillObservation);

fn ground(observed: &mut BackfillObservation) -> &mut RestoreGround {
    observed.restore.as_deref_mut().unwrap()
}

fn facts(observed: &mut BackfillObservation) -> &mut SnapshotIndexFacts {
    observed.source.get_mut("x").unwrap()
}

#[test]
fn an_index_that_fits_is_restored_where_the_plan_asks_for_it() {
    let seen = observed("os2.19.1");
    for strategy in ["auto", "restore"] {
        let way = chosen(&plan(strategy, "", "", ""), &seen, &[]);
        assert_eq!(way, Way::Restore(Some(version("es7.10.2"))));
    }
    assert_eq!(
        chosen(&plan("reindex", "", "", ""), &seen, &[]),
        Way::Write(None)
    );
    // There is nothing to restore.
    let mut empty = seen;
    facts(&mut empty).docs = Some(0);
    let way = chosen(&plan("restore", "", "", ""), &empty, &[]);
    assert_eq!(way, Way::Write(None));
}

#[test]
fn each_reason_has_its_code_and_its_words() {
    let unfit: &[(&str, &str, Alter)] = &[
        (", since: base", "what changed since `base`", |_| ()),
        (", transforms: [tidy]", "go through tidy", |_| ()),
        (", versions: drop", "`versions: drop`", |_| ()),
        (", limits: { docs: 10/s }", "`limits.docs`", |_| ()),
        (
            ", limits: { target-cpu: 50 }",
            "`limits.target-cpu`",
            |_| (),
        ),
        ("", "mapping types", |it| {
            facts(it).types = Some(TypesFacts::default());
        }),
        ("", "mapping types of whole", |it| {
            facts(it).of = Some("whole".into());
        }),
        ("", "data stream logs", |it| {
            facts(it).data_stream = Some("logs".into());
        }),
        ("", "lacks shards", |it| {
            let missing = crate::diff::observation::MissingShard {
                shard: 1,
                reason: "r".into(),
            };
            facts(it).missing_shards.push(missing);
        }),
        ("", "no _source", |it| {
            facts(it).source_gap = Some(SourceGap {
                kind: SourceGapKind::Disabled,
                by: "_source.enabled: false".into(),
                lost: Vec::new(),
            });
        }),
        ("", "at mappings.properties.a.type", |it| {
            let index = ground(it).indices.get_mut("x").unwrap();
            index.differs = Some(vec![
                "mappings.properties.a.type".into(),
                "settings.index.refresh_interval".into(),
            ]);
        }),
        ("", "at settings.\"index.number_of_shards\"", |it| {
            let index = ground(it).indices.get_mut("x").unwrap();
            index.differs = Some(vec!["settings.\"index.number_of_shards\"".into()]);
        }),
        ("", "only a cluster restores", |it| {
            ground(it).cluster = false;
        }),
    ];
    for (fields, words, alter) in unfit {
        let (code, said) = refused(fields, alter);
        assert_eq!(code, "MIG381", "{said}");
        assert!(said.contains(words), "{words}: {said}");
    }
    let unread: &[(&str, Alter)] = &[
        (
            "made by Elasticsearch 6.8.23, and OpenSearch 2.19.1 opens those of Elasticsearch 7",
            |it| {
                ground(it).indices.get_mut("x").unwrap().created = Some(version("es6.8.23"));
            },
        ),
        ("is not known", |it| {
            ground(it).indices.get_mut("x").unwrap().created = None;
        }),
        ("opens those of OpenSearch 2", |it| {
            it.target_version = Some(version("os3.3.0"));
        }),
        ("the snapshot was taken by Elasticsearch after 7.10", |it| {
            ground(it).taken_by = Some(version("es7.17.9"));
        }),
        ("a newer version than OpenSearch 2.19.1", |it| {
            ground(it).indices.get_mut("x").unwrap().created = Some(version("os3.1.0"));
        }),
    ];
    for (words, alter) in unread {
        let (code, said) = refused("", alter);
        assert_eq!(code, "MIG380", "{said}");
        assert!(said.contains(words), "{words}: {said}");
    }
    let (code, said) = refused("", |it| {
        ground(it).unreached = Some(Unreached {
            what: "/s is in no `path.repo` of node a of the target".into(),
            certain: true,
        });
    });
    assert_eq!(code, "MIG382", "{said}");
}

#[test]
fn what_the_target_does_not_tell_is_tried_only_where_the_plan_insists() {
    let mut seen = observed("os2.19.1");
    ground(&mut seen).unreached = Some(Unreached {
        what: "the target does not tell whether its nodes reach s3://b".into(),
        certain: false,
    });
    let way = |strategy| chosen(&plan(strategy, "", "", ""), &seen, &[]);
    assert!(matches!(way("auto"), Way::Write(Some(_))));
    assert!(matches!(way("restore"), Way::Restore(_)));
}

#[test]
fn an_index_that_is_not_made_yet_is_judged_by_what_will_be_made() {
    let mut seen = observed("os2.19.1");
    seen.target.clear();
    ground(&mut seen).indices.get_mut("x").unwrap().differs = None;
    let made = |path: &str| {
        let plan = plan("auto", "", "", "");
        let phase = &plan.phases[&Address::new("meta")];
        let mut change = PhaseChange::new(
            phase,
            Action::Create,
            "not-applied-yet",
            "",
            crate::base::Fingerprint::of(&()),
        );
        let item = |name: &str, path: &str| Item {
            edits: vec![Edit {
                path: path.into(),
                before: None,
                after: None,
                rule: None,
                why: String::new(),
                lossy: false,
            }],
            ..super::super::super::super::common::item(Action::Create, "index", name)
        };
        change.items = vec![item("x", path), item("other", "mappings._all")];
        chosen(&plan, &seen, &[change])
    };
    assert!(matches!(
        made("settings.index.blocks.write"),
        Way::Restore(_)
    ));
    let Way::Write(Some(why)) = made("mappings.properties.a") else {
        panic!("its mapping is another one")
    };
    assert!(why.contains("mappings.properties.a"), "{why}");
}

#[test]
fn a_later_hop_counts_where_mig_chooses() {
    let clusters = "  os3: { endpoint: \"http://127.0.0.1:3\", version: \"opensearch:3.3\" }\n  \
                    other: { endpoint: \"http://127.0.0.1:4\" }\n";
    let hop = |to: &str| {
        format!(
            "  again: {{ snapshot: {{ of: os, to: t }} }}\n  meta2: {{ metadata: {{ from: again, to: {to} }} }}\n  \
             docs2: {{ backfill: {{ from: again, to: {to} }} }}\n"
        )
    };
    let mut seen = observed("os2.19.1");
    let way = |seen: &BackfillObservation, strategy: &str, to: &str| {
        chosen(&plan(strategy, "", clusters, &hop(to)), seen, &[])
    };
    let Way::Write(Some(why)) = way(&seen, "auto", "os3") else {
        panic!("OpenSearch 3 would not open it")
    };
    assert_eq!(
        why,
        "`docs2` goes on to OpenSearch 3.3, which opens no index made by Elasticsearch 7.10.2"
    );
    assert!(
        matches!(way(&seen, "auto", "other"), Way::Write(Some(why)) if why.contains("does not say"))
    );
    assert!(matches!(way(&seen, "restore", "os3"), Way::Restore(_)));
    ground(&mut seen).indices.get_mut("x").unwrap().created = Some(version("os2.4.0"));
    ground(&mut seen).taken_by = Some(version("os2.4.0"));
    assert!(matches!(way(&seen, "auto", "os3"), Way::Restore(_)));
}

#[test]
fn what_was_begun_one_way_is_finished_that_way() {
    let mut seen = observed("os2.19.1");
    seen.restored.insert("x".into(), false);
    let way = chosen(&plan("reindex", "", "", ""), &seen, &[]);
    assert_eq!(way, Way::Restore(Some(version("es7.10.2"))));

    let mut seen = observed("os2.19.1");
    let work = WorkFacts {
        complete: BTreeMap::from([("x".to_owned(), false)]),
        ..WorkFacts::default()
    };
    seen.work = Some(work);
    // Items that are left of an index that was made anew since are not of this one.
    assert!(matches!(
        chosen(&plan("restore", "", "", ""), &seen, &[]),
        Way::Restore(_)
    ));
}
