//! Documents of indices with mapping types under the names, ids and sources that a target without types has them by.
//!
//! Stands around another source, before any transform, for loading and proving alike. An index of the target has the items
//! of its source index, and is given the documents of its own types; those of others are counted as left to another
//! index, so that what was read of a segment still has to be all of it. Indices without a route pass through untouched.
//!
//! Relies on `mapping_types` for the routes. Deliberately absent: choosing them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::source::{
    DocumentSource, ItemReader, SegmentKey, SourceDocument, SourceError, Step, StepError, Unusable,
    Visit, VisitStopped,
};
use super::work_store::{ItemKey, ItemSpec};
use crate::engines::mapping_types::{Route, splice};

/// See the module.
pub struct TypedSource<S> {
    inner: S,
    /// By the index of the target.
    routes: BTreeMap<String, Route>,
}

impl<S> TypedSource<S> {
    /// Over a source, with the routes of those of its indices that have any.
    pub fn new(inner: S, routes: impl IntoIterator<Item = Route>) -> Self {
        let routes = routes.into_iter();
        Self {
            inner,
            routes: routes.map(|route| (route.to.clone(), route)).collect(),
        }
    }

    /// The name of an index of the target at the source.
    fn of<'a>(&'a self, index: &'a str) -> &'a str {
        self.routes
            .get(index)
            .map_or(index, |route| route.of.as_str())
    }

    fn item(&self, item: &ItemKey) -> ItemKey {
        ItemKey {
            index: self.of(&item.index).to_owned(),
            ..item.clone()
        }
    }

    /// The indices of the target that are read from an index: itself where it has no route.
    fn to<'a>(&'a self, index: &'a str) -> impl Iterator<Item = &'a str> {
        let routed = self.routes.values().filter(move |it| it.of == index);
        let plain = self.routes.values().all(|it| it.of != index);
        routed
            .map(|route| route.to.as_str())
            .chain(plain.then_some(index))
    }
}

impl<S: DocumentSource> DocumentSource for TypedSource<S> {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        let mut items = Vec::new();
        for item in self.inner.items()? {
            for to in self.to(&item.key.index) {
                items.push(ItemSpec {
                    key: ItemKey {
                        index: to.to_owned(),
                        ..item.key.clone()
                    },
                    ..item.clone()
                });
            }
        }
        items.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(items)
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        let mut expected = BTreeMap::new();
        for (segment, count) in self.inner.expected()? {
            for to in self.to(&segment.index) {
                let key = SegmentKey {
                    index: to.to_owned(),
                    ..segment.clone()
                };
                expected.insert(key, count);
            }
        }
        Ok(expected)
    }

    fn leaves_out(&self, index: &str) -> bool {
        let route = self.routes.get(index);
        let some_types = route.is_some_and(|it| it.of != it.to || !it.dropped.is_empty());
        some_types || self.inner.leaves_out(self.of(index))
    }

    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        let reader = self.inner.open(&self.item(item), from)?;
        Ok(match self.routes.get(&item.index) {
            Some(route) if !(route.keeps_documents()) => Box::new(TypedReader {
                reader,
                route,
                buffers: Buffers::default(),
            }),
            _ => reader,
        })
    }

    fn step_with(&self, item: &ItemKey, doc: u32) -> Result<u32, SourceError> {
        self.inner.step_with(&self.item(item), doc)
    }

    fn fold(&self, item: &ItemKey, proofs: &mut Vec<Value>, proof: Value) {
        self.inner.fold(&self.item(item), proofs, proof);
    }

    fn check_segment(&self, segment: &SegmentKey, proofs: &[Value]) -> Result<(), SourceError> {
        let key = SegmentKey {
            index: self.of(&segment.index).to_owned(),
            ..segment.clone()
        };
        self.inner.check_segment(&key, proofs)
    }
}

struct TypedReader<'s> {
    reader: Box<dyn ItemReader + 's>,
    route: &'s Route,
    buffers: Buffers,
}

/// What documents are written into, one after the other.
#[derive(Default)]
struct Buffers {
    id: String,
    source: Vec<u8>,
    type_field: String,
    join: String,
    reason: String,
}

impl ItemReader for TypedReader<'_> {
    fn step(&mut self, docs: u32, visit: &mut Visit<'_>) -> Result<Option<Step>, StepError> {
        let (route, buffers) = (self.route, &mut self.buffers);
        let (mut elsewhere, mut dropped) = (0, 0);
        let step = self.reader.step(docs, &mut |document| {
            // Of a single type in an index made later nothing is stored with the documents.
            let kind = document
                .mapping_type
                .or_else(|| route.types.first().map(String::as_str))
                .unwrap_or_default();
            if !route.types.iter().any(|it| it == kind) {
                if route.dropped.iter().any(|it| it == kind) {
                    dropped += 1;
                } else {
                    elsewhere += 1;
                }
                return Ok(());
            }
            give(route, kind, document, buffers, visit)
        })?;
        Ok(step.map(|step| Step {
            elsewhere: step.elsewhere + elsewhere,
            dropped: step.dropped + dropped,
            ..step
        }))
    }
}

/// Gives a document as the target is to have it.
fn give(
    route: &Route,
    kind: &str,
    document: SourceDocument<'_>,
    buffers: &mut Buffers,
    visit: &mut Visit<'_>,
) -> Result<(), VisitStopped> {
    let Buffers {
        id,
        source,
        type_field,
        join,
        reason,
    } = buffers;
    id.clear();
    source.clear();
    type_field.clear();
    join.clear();
    let renamed = route.id(kind, document.id, id);
    let related = route.join.as_ref().filter(|it| it.knows(kind));
    let parent_type = related.and_then(|it| it.parents.get(kind));
    // A parent lies in the shard of its former id, where its children are routed to.
    let routing = match document.routing {
        None if renamed && related.is_some() => Some(document.id),
        routing => routing,
    };
    let mut fields: Vec<(&str, &str)> = Vec::with_capacity(4);
    if let Some(field) = &route.type_field {
        quote(kind, type_field);
        fields.push((field, type_field));
    }
    let orphan = parent_type.is_some() && document.parent.is_none();
    if let Some(related) = related {
        match (parent_type, document.parent) {
            (Some(parent_type), Some(parent)) => {
                let mut name = String::new();
                let parent_id = if route.id(parent_type, parent, &mut name) {
                    name.as_str()
                } else {
                    parent
                };
                join.push_str("{\"name\":");
                quote(kind, join);
                join.push_str(",\"parent\":");
                quote(parent_id, join);
                join.push('}');
            }
            _ => quote(kind, join),
        }
        fields.push((&related.field, join));
    }
    let time = |time: Option<i64>| time.map(|time| time.to_string());
    let (timestamp, expiry) = (time(document.timestamp), time(document.expiry));
    for (field, time) in [
        (&route.timestamp_field, &timestamp),
        (&route.expiry_field, &expiry),
    ] {
        if let (Some(field), Some(time)) = (field, time) {
            fields.push((field, time));
        }
    }
    let unusable = |reason, raw| {
        Err(Unusable {
            class: "types",
            reason,
            raw,
            skip: false,
        })
    };
    let rendered = match document.source {
        Ok(line) if orphan => unusable("its type has parents, and it has none", line),
        Ok(line) if fields.is_empty() => Ok(line),
        Ok(line) => match splice(line, &fields, source) {
            Ok(()) => Ok(source.as_slice()),
            Err(error) => {
                *reason = error.to_string();
                unusable(reason.as_str(), line)
            }
        },
        Err(unusable) => Err(unusable),
    };
    visit(SourceDocument {
        id: if renamed { id } else { document.id },
        routing,
        source: rendered,
        ..document
    })
}

/// As a JSON string.
fn quote(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::super::source::Change;
    use super::*;
    use crate::engines::mapping_types::Join;

    struct Fixed(Vec<(&'static str, &'static str, Option<&'static str>)>);

    impl DocumentSource for Fixed {
        fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
            let key = |index: &str| ItemKey {
                index: index.to_owned(),
                shard: 0,
                segment: "_0".to_owned(),
                from: 0,
                to: 9,
            };
            let item = |index: &str| ItemSpec {
                key: key(index),
                bytes: 1,
                expected: None,
            };
            Ok(vec![item("blog"), item("plain")])
        }

        fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
            Ok(BTreeMap::new())
        }

        fn open(
            &self,
            item: &ItemKey,
            _from: u32,
        ) -> Result<Box<dyn ItemReader + '_>, SourceError> {
            assert!(["blog", "plain"].contains(&item.index.as_str()));
            Ok(Box::new(FixedReader(Some(&self.0))))
        }

        fn check_segment(&self, segment: &SegmentKey, _: &[Value]) -> Result<(), SourceError> {
            assert_eq!(segment.index, "blog");
            Ok(())
        }
    }

    struct FixedReader<'s>(Option<&'s Vec<(&'static str, &'static str, Option<&'static str>)>>);

    impl ItemReader for FixedReader<'_> {
        fn step(&mut self, _: u32, visit: &mut Visit<'_>) -> Result<Option<Step>, StepError> {
            let Some(documents) = self.0.take() else {
                return Ok(None);
            };
            for (kind, id, parent) in documents {
                visit(SourceDocument {
                    doc: 0,
                    id,
                    routing: *parent,
                    version: None,
                    mapping_type: Some(kind),
                    parent: *parent,
                    timestamp: Some(1_400_000_000_123),
                    expiry: None,
                    source: Ok(b"{ \"n\": 1.0 }"),
                    change: Change::Written,
                })
                .map_err(|_| StepError::Stopped)?;
            }
            Ok(Some(Step {
                next: 9,
                delivered: documents.len() as u64,
                ..Step::default()
            }))
        }
    }

    fn read(source: &TypedSource<Fixed>, index: &str) -> (Vec<String>, Step) {
        let items = source.items().unwrap();
        let item = items.iter().find(|it| it.key.index == index).unwrap();
        let mut reader = source.open(&item.key, 0).unwrap();
        let mut found = Vec::new();
        let step = reader.step(u32::MAX, &mut |document| {
            let source = match document.source {
                Ok(line) => String::from_utf8(line.to_vec()).unwrap(),
                Err(unusable) => format!("{}: {}", unusable.class, unusable.reason),
            };
            let routing = document.routing.unwrap_or("-");
            found.push(format!("{} {routing} {source}", document.id));
            Ok(())
        });
        (found, step.unwrap().unwrap())
    }

    fn source() -> Fixed {
        Fixed(vec![
            ("post", "1", None),
            ("answer", "1", Some("1")),
            ("plain", "1", None),
            ("scratch", "2", None),
        ])
    }

    fn route(types: &[&str], to: &str) -> Route {
        Route {
            of: "blog".into(),
            to: to.into(),
            types: types.iter().map(|it| (*it).to_owned()).collect(),
            ..Route::default()
        }
    }

    #[test]
    fn each_index_gets_its_types_and_all_are_counted() {
        let family = Route {
            dropped: vec!["scratch".into()],
            join: Some(Join {
                field: "join".into(),
                parents: BTreeMap::from([("answer".into(), "post".into())]),
            }),
            ..route(&["answer", "post"], "blog-post")
        };
        let routes = [family, route(&["plain"], "blog-plain")];
        let source = TypedSource::new(source(), routes);
        let items = source.items().unwrap();
        let names: Vec<&str> = items.iter().map(|it| it.key.index.as_str()).collect();
        assert_eq!(names, ["blog-plain", "blog-post", "plain"]);
        let (found, step) = read(&source, "blog-post");
        assert_eq!(
            found,
            [
                r#"1 - {"join":"post", "n": 1.0 }"#,
                r#"1 1 {"join":{"name":"answer","parent":"1"}, "n": 1.0 }"#
            ]
        );
        assert_eq!((step.delivered, step.elsewhere, step.dropped), (4, 1, 1));
        let (found, step) = read(&source, "blog-plain");
        assert_eq!(found, [r#"1 - { "n": 1.0 }"#]);
        assert_eq!((step.delivered, step.elsewhere, step.dropped), (4, 3, 0));
        assert_eq!(read(&source, "plain").0.len(), 4, "no route, no change");
        assert!(source.leaves_out("blog-post") && !source.leaves_out("plain"));
    }

    #[test]
    fn with_prefixes_children_stay_beside_their_parents() {
        let union = Route {
            prefix: true,
            type_field: Some("kind".into()),
            join: Some(Join {
                field: "join".into(),
                parents: BTreeMap::from([("answer".into(), "post".into())]),
            }),
            ..route(&["answer", "plain", "post", "scratch"], "blog")
        };
        let (found, step) = read(&TypedSource::new(source(), [union]), "blog");
        assert_eq!(
            found,
            [
                r#"post#1 1 {"kind":"post","join":"post", "n": 1.0 }"#,
                r#"answer#1 1 {"kind":"answer","join":{"name":"answer","parent":"post#1"}, "n": 1.0 }"#,
                r#"plain#1 - {"kind":"plain", "n": 1.0 }"#,
                r#"scratch#2 - {"kind":"scratch", "n": 1.0 }"#,
            ]
        );
        assert_eq!((step.delivered, step.elsewhere, step.dropped), (4, 0, 0));
    }

    #[test]
    fn times_beside_the_source_become_fields_of_it() {
        let route = Route {
            timestamp_field: Some("at".into()),
            expiry_field: Some("until".into()),
            ..route(&["plain"], "blog")
        };
        let (found, _) = read(&TypedSource::new(source(), [route]), "blog");
        assert_eq!(found, [r#"1 - {"at":1400000000123, "n": 1.0 }"#]);
    }

    #[test]
    fn what_can_t_be_given_as_asked_is_told() {
        let taken = Route {
            type_field: Some("n".into()),
            join: Some(Join {
                field: "join".into(),
                parents: BTreeMap::from([("plain".into(), "post".into())]),
            }),
            ..route(&["plain", "scratch"], "blog")
        };
        let (found, _) = read(&TypedSource::new(source(), [taken]), "blog");
        assert!(found[0].contains("its type has parents, and it has none"));
        assert!(found[1].contains("has a field `n` already"));
    }
}
