//! Which index takes which types, and what is told where none can.

use serde_json::json;

use super::*;
use crate::diff::observation::{SharedIds, TypeFacts};

fn facts(types: &[(&str, Option<&str>)], read: IdsRead, shared: &[&[&str]]) -> TypesFacts {
    TypesFacts {
        types: types
            .iter()
            .map(|(name, parent)| TypeFacts {
                name: (*name).to_owned(),
                docs: None,
                parent: parent.map(str::to_owned),
            })
            .collect(),
        read,
        free_field: Some("join".into()),
        shared_ids: shared
            .iter()
            .map(|types| SharedIds {
                types: types.iter().map(|it| (*it).to_owned()).collect(),
                ids: 2,
                example: "7".into(),
            })
            .collect(),
    }
}

fn kinds(chosen: &Chosen) -> Vec<ProblemKind> {
    chosen.problems.iter().map(|it| it.kind).collect()
}

#[test]
fn one_type_says_nothing_and_several_ask() {
    let one = facts(&[("post", None)], IdsRead::All, &[]);
    assert_eq!(choose(None, "blog", &one, None), Chosen::default());
    let two = facts(&[("page", None), ("post", None)], IdsRead::All, &[]);
    let asked = choose(None, "blog", &two, None);
    assert_eq!(kinds(&asked), [ProblemKind::Undecided]);
    assert!(asked.problems[0].answers[0].contains("take: union }"));
    let shared = facts(
        &[("page", None), ("post", None)],
        IdsRead::All,
        &[&["page", "post"]],
    );
    let asked = choose(None, "blog", &shared, None);
    assert!(asked.problems[0].what.contains("`7` in page and post"));
    assert!(asked.problems[0].answers[0].contains("ids: type-prefix"));
}

#[test]
fn a_union_keeps_ids_only_where_it_is_proved_that_none_stands_twice() {
    let rule = plain(TakeTypes::Union);
    let types = [("page", None), ("post", None)];
    for (read, shared, fine) in [
        (IdsRead::All, &[][..], true),
        (IdsRead::NotYet, &[][..], true),
        (IdsRead::TooMany, &[][..], false),
        (IdsRead::All, &[&["page", "post"][..]][..], false),
        (IdsRead::All, &[&["other", "post"][..]][..], true),
    ] {
        let facts = facts(&types, read, shared);
        let chosen = choose(Some(("blog", &rule)), "blog", &facts, None);
        assert_eq!(kinds(&chosen).is_empty(), fine, "{read:?} {shared:?}");
        let prefix = TypesRule {
            ids: TypeIds::TypePrefix,
            ..rule.clone()
        };
        let chosen = choose(Some(("blog", &prefix)), "blog", &facts, None);
        assert!(chosen.problems.is_empty() && chosen.routes[0].prefix);
    }
}

#[test]
fn a_split_keeps_families_together() {
    let rule = plain(TakeTypes::Split);
    let types = [
        ("Shop", None),
        ("item", Some("offer")),
        ("offer", Some("Shop")),
        ("plain", None),
    ];
    let facts = facts(&types, IdsRead::All, &[&["Shop", "plain"]]);
    let chosen = choose(Some(("m*", &rule)), "mall", &facts, None);
    assert_eq!(chosen.problems, []);
    let found: Vec<(&str, Vec<&str>)> = chosen
        .routes
        .iter()
        .map(|it| {
            (
                it.to.as_str(),
                it.types.iter().map(String::as_str).collect(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("mall-shop", vec!["Shop", "item", "offer"]),
            ("mall-plain", vec!["plain"])
        ]
    );
    let join = chosen.routes[0].join.as_ref().unwrap();
    assert_eq!(
        json!(join.relations()),
        json!({"Shop": ["offer"], "offer": ["item"]})
    );
    assert_eq!(chosen.routes[1].join, None);
}

#[test]
fn what_does_not_fit_is_told() {
    let types = [("Post", None), ("post", None), ("answer", Some("post"))];
    let facts = facts(&types, IdsRead::All, &[]);
    let split = plain(TakeTypes::Split);
    let chosen = choose(Some(("blog", &split)), "blog", &facts, None);
    assert_eq!(kinds(&chosen), [ProblemKind::Name]);
    let drop = |names: &[&str]| TypesRule {
        drop: names.iter().map(|it| (*it).to_owned()).collect(),
        ..plain(TakeTypes::Union)
    };
    let chosen = choose(Some(("blog", &drop(&["pots"]))), "blog", &facts, None);
    assert_eq!(kinds(&chosen), [ProblemKind::Unfit]);
    let chosen = choose(Some(("b*", &drop(&["pots"]))), "blog", &facts, None);
    assert_eq!(kinds(&chosen), []);
    let chosen = choose(Some(("blog", &drop(&["post"]))), "blog", &facts, None);
    assert_eq!(kinds(&chosen), [ProblemKind::Unfit], "its children stay");
    let all = ["Post", "post", "answer"];
    let chosen = choose(Some(("blog", &drop(&all))), "blog", &facts, None);
    assert_eq!(kinds(&chosen), [ProblemKind::Unfit]);
}

#[test]
fn definitions_that_contradict_are_named_with_their_types() {
    let (page, post) = (
        json!({"properties": {"n": {"type": "long"}}}),
        json!({"properties": {"n": {"type": "string"}, "kind": {"type": "string"}}}),
    );
    let mappings = [("page", &page), ("post", &post)];
    let facts = facts(&[("page", None), ("post", None)], IdsRead::All, &[]);
    let union = plain(TakeTypes::Union);
    let chosen = choose(Some(("blog", &union)), "blog", &facts, Some(&mappings));
    assert_eq!(kinds(&chosen), [ProblemKind::Fields]);
    let what = &chosen.problems[0].what;
    assert_eq!(
        what,
        r#"`n` is {"type":"long"} in page and {"type":"string"} in post"#
    );
    let decided = TypesRule {
        prefer: Some("post".into()),
        type_field: Some("kind".into()),
        ..union
    };
    let chosen = choose(Some(("blog", &decided)), "blog", &facts, Some(&mappings));
    assert_eq!(kinds(&chosen), [ProblemKind::Unfit], "the field is there");
    let split = plain(TakeTypes::Split);
    let chosen = choose(Some(("blog", &split)), "blog", &facts, Some(&mappings));
    assert_eq!(kinds(&chosen), []);
}

#[test]
fn the_name_of_an_index_goes_before_patterns() {
    let rules: BTreeMap<String, TypesRule> = ["*", "blog*", "blog"]
        .iter()
        .map(|key| ((*key).to_owned(), plain(TakeTypes::Union)))
        .collect();
    for (index, key) in [("blog", "blog"), ("blogs", "blog*"), ("shop", "*")] {
        assert_eq!(rule_for(&rules, index).unwrap().0, key);
    }
    assert!(rule_for(&BTreeMap::new(), "blog").is_none());
}
