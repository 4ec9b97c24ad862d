//! Which indices, templates and components transforms reach: behind data streams, split by mapping types, through templates that
//! are for more names than a transform. On snapshots of real servers, into a directory.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::altered_shop::copy;
use super::support::{Place, Ran, fixture};
use super::transforms::with_templates;

/// A plan over the snapshot of a real server: what stands in `meta` and `docs`, and the transforms.
fn place(server: &str, index: &str, meta: &str, docs: &str, transforms: &str) -> Place {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/versions")
        .join(server)
        .join("repository");
    let place = Place::empty();
    let plan = format!(
        "mig: 1\nplan: t\nstate: state\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\nstores:\n  \
         snapshots: {{ directory: {} }}\nphases:\n  \
         base: {{ snapshot: {{ existing: {{ store: snapshots, name: first }} }} }}\n  \
         meta: {{ metadata: {{ from: base, to: os, include: {{ indices: [{index}], aliases: none, \
         component-templates: none{meta} }}, transforms: [tidy] }} }}\n  \
         docs: {{ backfill: {{ from: base, to: os, indices: [{index}], transforms: [tidy]{docs} }} }}\n  \
         same: {{ verify: {{ source: base, target: os, indices: [{index}], content: full }} }}\n\
         transforms:\n{transforms}",
        repository.display()
    );
    fs::write(place.path("plan.yaml"), plan).unwrap();
    place
}

/// The sources of an index on the target.
fn sources(place: &Place, index: &str) -> Vec<Value> {
    let docs = place.path(&format!("out/indices/{index}/docs"));
    let mut sources = Vec::new();
    for entry in fs::read_dir(docs).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let lines = text.lines().skip(1).step_by(2);
        sources.extend(lines.map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    sources
}

fn body(place: &Place, path: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(path)).unwrap()).unwrap()
}

/// The output with its lines put together.
fn flat(ran: &Ran) -> String {
    ran.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

const STREAM: &str = "stream-web";

#[test]
fn a_transform_that_names_a_data_stream_is_for_all_of_its_generations() {
    for (server, indices) in [
        ("elasticsearch-8.11.0", "[stream-web]"),
        ("opensearch-2.19.1", "[\"stream-*\"]"),
    ] {
        for (choice, generations) in [
            ("", [".ds-stream-web-000001", ".ds-stream-web-000002"]),
            (
                ", data-streams: indices",
                ["ds-stream-web-000001", "ds-stream-web-000002"],
            ),
        ] {
            let transforms = format!(
                "  tidy:\n    indices: {indices}\n    steps: [{{ set: {{ field: tier, value: hot }} }}]\n    \
                 mappings: {{ add: {{ tier: {{ type: keyword }} }} }}\n"
            );
            let place = place(server, STREAM, "", choice, &transforms);
            let plan = fs::read_to_string(place.path("plan.yaml")).unwrap();
            let with = format!("transforms: [tidy]{choice}");
            let plan = plan.replacen("transforms: [tidy]", &with, 1);
            fs::write(place.path("plan.yaml"), plan).unwrap();
            let planned = place.mig(&["plan", "--sample", "3"]).ends_with(0);
            let planned = planned.says("through tidy").says("+ tier: \"hot\"");
            assert_eq!(
                planned.out.matches("Samples of ").count(),
                2,
                "{}",
                planned.out
            );
            place.apply().ends_with(0);
            place.is_finished();
            let state = fs::read_to_string(place.path("state/state.json")).unwrap();
            let proved = state.matches("compared through tidy").count();
            assert_eq!(proved, 2, "{state}");
            let names: Vec<String> = fs::read_dir(place.path("out/indices"))
                .unwrap()
                .map(|it| it.unwrap().file_name().into_string().unwrap())
                .filter(|it| {
                    generations
                        .iter()
                        .any(|name| it.ends_with(&name[name.len() - 6..]))
                })
                .collect();
            assert_eq!(names.len(), 2, "{names:?}");
            for name in &names {
                let all = sources(&place, name);
                assert_eq!(all.len(), 3, "{name}");
                assert!(
                    all.iter().all(|it| it["tier"] == "hot"),
                    "{server} {name}: {all:?}"
                );
            }
            let mapping = if choice.is_empty() {
                body(&place, &format!("out/data-streams/{STREAM}.json"))["generations"][1]["mappings"].clone()
            } else {
                body(&place, &format!("out/indices/{}/index.json", names[0]))["mappings"].clone()
            };
            assert_eq!(mapping["properties"]["tier"], json!({"type": "keyword"}));
            // A lost state knows what was written, and the proof still misses what is lost.
            fs::remove_dir_all(place.path("state")).unwrap();
            let planned = place.mig(&["plan"]).ends_with(0);
            assert!(
                !planned.out.contains("its transforms are others"),
                "{}",
                planned.out
            );
        }
    }
}

#[test]
fn a_transform_that_selects_nothing_is_asked_about_and_one_for_other_indices_told() {
    let of = |indices: &str, docs: &str| {
        let transforms = format!("  tidy:\n    indices: {indices}\n    steps: [{{ drop: [n] }}]\n");
        place("elasticsearch-8.11.0", STREAM, "", docs, &transforms)
    };
    // The name of a backing index means nothing where it stays behind its stream.
    for indices in ["[straem-web]", "[\".ds-stream-web-*\"]"] {
        let place = of(indices, "");
        let ran = place.apply().ends_with(4).says("MIG310");
        let text = flat(&ran);
        assert!(
            text.contains("no index or data stream of the source has such a name"),
            "{text}"
        );
        assert!(!place.path("out/indices").exists(), "nothing is made");
    }
    let text = flat(&of("[straem-web]", "").mig(&["plan"]));
    assert!(text.contains("tidy: { indices: [stream-web] }"), "{text}");
    let ran = of("[kinds]", "").mig(&["plan"]).ends_with(0);
    let text = flat(&ran);
    assert!(
        text.contains("left out 1 transform (tidy): for none of the indices that this phase takes"),
        "{text}"
    );
    let ran = of("[stream-web, \"metrics-*\"]", "")
        .mig(&["plan"])
        .ends_with(0);
    let text = flat(&ran);
    assert!(
        text.contains("(metrics-* of transform tidy): no index of the source has such a name"),
        "{text}"
    );
}

#[test]
fn coerce_goes_by_the_mapping_of_the_index_that_a_split_gives_a_document_to() {
    let split = "take: split, ids: type-prefix";
    for server in ["elasticsearch-2.4.6", "elasticsearch-5.6.16"] {
        for (indices, plain_too) in [("[types-shop]", false), ("[types]", true)] {
            let transforms = format!(
                "  tidy:\n    indices: {indices}\n    steps:\n    - set: {{ field: price, value: \"7\" }}\n    \
                 - set: {{ field: name, value: 5 }}\n    - coerce: {{ fields: all }}\n    - rename: {{ price: cost }}\n"
            );
            let place = place(server, "types", ", templates: none", "", &transforms);
            let plan = fs::read_to_string(place.path("plan.yaml")).unwrap();
            let rules = format!(
                "transforms: [tidy], rules: {{ MIG129: allow }}, types: {{ types: {{ {split} }} }} }} }}\n  docs"
            );
            let plan = plan.replacen("transforms: [tidy] } }\n  docs", &rules, 1);
            fs::write(place.path("plan.yaml"), plan).unwrap();
            place.apply().ends_with(0);
            place.is_finished();
            for source in sources(&place, "types-shop") {
                assert_eq!(source["cost"], json!(7), "{server}: {source}");
                assert_eq!(source["name"], json!("5"), "{server}: {source}");
            }
            let mapping = body(&place, "out/indices/types-shop/index.json");
            assert_eq!(mapping["mappings"]["properties"]["cost"]["type"], "double");
            for source in sources(&place, "types-plain") {
                // Its own type has a name and no price.
                let cost = plain_too.then(|| json!("7"));
                assert_eq!(source.get("cost"), cost.as_ref(), "{server}: {source}");
                if plain_too {
                    assert_eq!(source["name"], json!("5"), "{server}: {source}");
                }
            }
        }
    }
}

/// A plan over the shop with these transforms, its template of customers changed.
fn shop(indices: &str, change: impl FnOnce(&mut Value, &mut Value)) -> Place {
    let place = Place::with("");
    copy(&fixture("shop"), &place.path("snapshots"));
    with_templates(&place.path("snapshots"), change);
    let phases = format!(
        "  base: {{ snapshot: {{ existing: {{ store: snapshots, name: nightly-1 }} }} }}
  meta: {{ metadata: {{ from: base, to: os, transforms: [private], include: {{ indices: [customers] }} }} }}
  docs: {{ backfill: {{ from: base, to: os, indices: [customers], transforms: [private] }} }}
  same: {{ verify: {{ source: base, target: os, indices: [customers], content: full }} }}
transforms:
  private:
    indices: {indices}
    steps:
      - drop: [email]
      - rename: {{ last_login.from: login.address }}
    mappings: {{ add: {{ seen: {{ type: date }} }} }}
"
    );
    place.write_plan(&phases);
    let plan = fs::read_to_string(place.path("plan.yaml")).unwrap();
    let long = fixture("shop").display().to_string();
    fs::write(place.path("plan.yaml"), plan.replace(&long, "snapshots")).unwrap();
    place
}

#[test]
fn templates_and_their_components_follow_a_transform_that_is_for_all_of_their_names() {
    let place = shop("[\"customers*\"]", |_, _| {});
    place.apply().ends_with(0);
    place.is_finished();
    let component = body(&place, "out/component-templates/customer-mappings.json");
    let fields = &component["template"]["mappings"]["properties"];
    assert_eq!(fields.get("email"), None, "{component:#}");
    assert_eq!(fields["login"]["properties"]["address"]["type"], "ip");
    assert_eq!(fields["last_login"]["properties"].get("from"), None);
    assert_eq!(fields.get("seen"), None, "added to the template alone");
    let template = body(&place, "out/index-templates/customers.json");
    let added = &template["template"]["mappings"]["properties"]["seen"];
    assert_eq!(*added, json!({"type": "date"}), "{template:#}");
}

#[test]
fn a_template_that_keeps_a_field_is_named_with_the_field() {
    // For one name of those that the template is for.
    let place = shop("[customers]", |_, _| {});
    let text = flat(&place.mig(&["plan", "--detail", "full"]).ends_with(0));
    let kept =
        "MIG311 kept: transform private is not for all of `customers*` of index template customers";
    assert_eq!(text.matches(kept).count(), 2, "{text}");
    place.apply().ends_with(0);
    let component = body(&place, "out/component-templates/customer-mappings.json");
    assert!(component["template"]["mappings"]["properties"]["email"].is_object());
    // A component that another template is composed of, too.
    let other = |templates: &mut Value, _: &mut Value| {
        let mut other = templates["customers"].clone();
        other["index_patterns"] = json!(["partners*"]);
        other["priority"] = json!(1);
        templates["partners"] = other;
    };
    let place = shop("[\"customers*\"]", other);
    let text = flat(&place.mig(&["plan", "--detail", "full"]).ends_with(0));
    let kept =
        "MIG311 kept: transform private is not for all of `partners*` of index template partners";
    assert_eq!(text.matches(kept).count(), 2, "{text}");
    // What names the field in another place is told, too.
    let naming = |_: &mut Value, components: &mut Value| {
        let mapping = &mut components["customer-mappings"]["template"]["mappings"];
        mapping["properties"]["mail"] = json!({"type": "alias", "path": "email"});
        mapping["properties"]["address"] = json!({"type": "alias", "path": "last_login.from"});
        mapping["dynamic_templates"] =
            json!([{"e": {"path_match": "email", "mapping": {"type": "keyword"}}}]);
        components["shop-settings"]["template"]["settings"]["index.sort.field"] = json!(["email"]);
    };
    let place = shop("[\"customers*\"]", naming);
    let text = flat(&place.mig(&["plan", "--detail", "full"]).ends_with(0));
    let told = "names `email`, which transform private takes away";
    assert_eq!(text.matches(told).count(), 3, "{text}");
    place.apply().ends_with(0);
    let component = body(&place, "out/component-templates/customer-mappings.json");
    let alias = &component["template"]["mappings"]["properties"]["address"]["path"];
    assert_eq!(*alias, "login.address");
}
