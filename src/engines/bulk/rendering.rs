//! The sources of an index's documents as the pipeline takes them: one line of JSON each, also where a source was not stored
//! as it was sent and the plan says what becomes of such documents.
//!
//! A load and a verification render alike, since both come here. Deliberately absent: deciding, which is the plan's.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::source::{Change, SourceDocument, Unusable, Visit, VisitStopped};
use crate::diff::observation::{SourceGap, SourceGapKind};
use crate::engines::lucene::{Document, LuceneError, ParentIds, Segment, StoredValue};
use crate::engines::reconstruct::{RebuildError, Rebuilder, Recipe, recipes_of};
use crate::engines::snapshot::{Snapshot, SnapshotError, source_format};
use crate::plan::model::WithoutSource;

/// What becomes of documents of an index whose source was not stored as it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceRule {
    /// As the plan says.
    pub choice: WithoutSource,
    /// Whether the source that is stored lacks fields.
    pub reduced: bool,
}

impl SourceRule {
    /// Of an index, by what its mapping and settings say. Where they promise a source, a document without one is damage
    /// and no matter of choice.
    pub fn of(gap: Option<&SourceGap>, choice: WithoutSource) -> Self {
        let Some(gap) = gap else {
            return Self::default();
        };
        let reduced = gap.kind == SourceGapKind::Reduced;
        Self {
            choice: match choice {
                WithoutSource::AsStored if !reduced => WithoutSource::Refuse,
                choice => choice,
            },
            reduced,
        }
    }
}

/// What is told of the documents of an index besides their source: before Elasticsearch 6 there was more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// The type of the parents of each mapping type whose documents' parents are told.
    pub parents: BTreeMap<String, String>,
    /// Whether `_timestamp` and `_ttl` are told.
    pub times: bool,
}

impl Beside {
    /// Nothing.
    pub const NOTHING: &Self = &Self {
        parents: BTreeMap::new(),
        times: false,
    };
}

/// How the documents of one index are rendered.
pub(super) struct Rendering {
    rule: SourceRule,
    /// How a source is rebuilt, by type, where the plan says that it is to be.
    recipes: Vec<(String, Recipe)>,
    beside: Beside,
}

impl Rendering {
    /// Reads the mapping where sources may have to be rebuilt by it.
    pub(super) fn of(
        snapshot: &Snapshot,
        index: &str,
        rule: SourceRule,
        beside: &Beside,
    ) -> Result<Self, SnapshotError> {
        let recipes = match rule.choice {
            WithoutSource::Reconstruct => {
                let metadata = snapshot.index_metadata(index)?;
                let types = metadata.types.iter();
                recipes_of(
                    &metadata.settings,
                    types.map(|one| (one.type_name.as_str(), &one.mapping)),
                )
            }
            _ => Vec::new(),
        };
        Ok(Self {
            rule,
            recipes,
            beside: beside.clone(),
        })
    }

    /// Whether documents without a source are left out.
    pub(super) fn leaves_out(&self) -> bool {
        self.rule.choice == WithoutSource::Skip
    }

    /// For documents of one segment.
    pub(super) fn of_segment(&self, segment: Arc<Segment>) -> Renderer<'_> {
        Renderer {
            rendering: self,
            segment,
            rebuilders: self.recipes.iter().map(|_| None).collect(),
            parents: BTreeMap::new(),
        }
    }
}

/// Why no further document can be given.
#[derive(Debug)]
pub(super) enum GiveError {
    /// The visitor wants no more.
    Stopped,
    /// The segment is damaged, or its store failed.
    Lucene(LuceneError),
}

impl From<VisitStopped> for GiveError {
    fn from(_: VisitStopped) -> Self {
        Self::Stopped
    }
}

/// Renders documents of one segment.
pub(super) struct Renderer<'s> {
    rendering: &'s Rendering,
    segment: Arc<Segment>,
    /// By type as the recipes, opened when the first document needs one.
    rebuilders: Vec<Option<Rebuilder<'s>>>,
    /// By the parents' type, opened when the first child comes.
    parents: BTreeMap<&'s str, ParentIds>,
}

impl<'s> Renderer<'s> {
    /// Gives the document with its source, or why it has none.
    pub(super) fn give(
        &mut self,
        document: &Document<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<(), GiveError> {
        let parent = self.parent(document).map_err(GiveError::Lucene)?;
        let parent = parent.as_deref();
        let (timestamp, expiry) = self.times(document).map_err(GiveError::Lucene)?;
        let visit: &mut Visit<'_> = &mut |given: SourceDocument<'_>| {
            visit(SourceDocument {
                parent,
                timestamp,
                expiry,
                ..given
            })
        };
        let raw = match stored(document, self.rendering.rule) {
            Stored::Whole(raw) => raw,
            Stored::Unusable(unusable) => return Ok(show(document, visit, Err(unusable))?),
            Stored::Rebuild => return self.rebuild(document, visit),
        };
        match source_format::to_json_line(raw) {
            Ok(line) => show(document, visit, Ok(&line))?,
            Err(error) => show(document, visit, Err(invalid(&error.to_string(), raw)))?,
        }
        Ok(())
    }

    /// The id of a document's parent. Of children alone, so that no other document pays for it.
    fn parent(&mut self, document: &Document<'_>) -> Result<Option<String>, LuceneError> {
        let rendering: &'s Rendering = self.rendering;
        let kind = document.legacy_type;
        let Some(parent) = kind.and_then(|kind| rendering.beside.parents.get(kind)) else {
            return Ok(None);
        };
        let ids = match self.parents.entry(parent) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(none) => none.insert(self.segment.parent_ids(parent)?),
        };
        Ok(ids.of(document)?.map(str::to_owned))
    }

    /// `_timestamp`, and when the document was to vanish.
    fn times(&self, document: &Document<'_>) -> Result<(Option<i64>, Option<i64>), LuceneError> {
        let mut times = (None, None);
        if self.rendering.beside.times {
            for field in &document.stored {
                match field? {
                    ("_timestamp", StoredValue::Long(time)) => times.0 = Some(time),
                    ("_ttl", StoredValue::Long(time)) => times.1 = Some(time),
                    _ => {}
                }
            }
        }
        Ok(times)
    }

    fn rebuild(&mut self, document: &Document<'_>, visit: &mut Visit<'_>) -> Result<(), GiveError> {
        let raw = document.source.unwrap_or_default();
        let unusable = |reason: &str, visit: &mut Visit<'_>| {
            let unusable = Unusable {
                class: "source-not-rebuilt",
                reason,
                raw,
                skip: false,
            };
            show(document, visit, Err(unusable))
        };
        let recipes = &self.rendering.recipes;
        let at = match document.legacy_type {
            None => 0,
            Some(kind) => recipes
                .iter()
                .position(|(name, _)| name == kind)
                .unwrap_or(0),
        };
        let Some((_, recipe)) = recipes.get(at) else {
            return Ok(unusable(
                "its index has no mapping to rebuild it by",
                visit,
            )?);
        };
        let rebuilder = match &mut self.rebuilders[at] {
            Some(rebuilder) => rebuilder,
            none => {
                let opened = Rebuilder::open(recipe, &self.segment).map_err(GiveError::Lucene)?;
                none.insert(opened)
            }
        };
        let rebuilt = match document.source {
            None => rebuilder.rebuild(document),
            Some(reduced) => match source_format::to_json_line(reduced) {
                Ok(line) => rebuilder.complete(document, &line),
                Err(error) => {
                    return Ok(show(
                        document,
                        visit,
                        Err(invalid(&error.to_string(), raw)),
                    )?);
                }
            },
        };
        match rebuilt {
            Ok(line) => Ok(show(document, visit, Ok(line.as_bytes()))?),
            Err(RebuildError::Lucene(error)) => Err(GiveError::Lucene(error)),
            Err(error) => Ok(unusable(&error.to_string(), visit)?),
        }
    }
}

fn show(
    document: &Document<'_>,
    visit: &mut Visit<'_>,
    source: Result<&[u8], Unusable<'_>>,
) -> Result<(), VisitStopped> {
    visit(SourceDocument {
        doc: document.doc,
        id: document.id,
        routing: document.routing,
        version: document.version,
        mapping_type: document.legacy_type,
        parent: None,
        timestamp: None,
        expiry: None,
        source,
        change: Change::Written,
    })
}

fn invalid<'a>(reason: &'a str, raw: &'a [u8]) -> Unusable<'a> {
    Unusable {
        class: "source-invalid",
        reason,
        raw,
        skip: false,
    }
}

/// What a document is rendered from.
enum Stored<'a> {
    Whole(&'a [u8]),
    Rebuild,
    Unusable(Unusable<'a>),
}

fn stored<'a>(document: &Document<'a>, rule: SourceRule) -> Stored<'a> {
    let whole = document.source.filter(|_| !rule.reduced);
    if let Some(source) = whole {
        return Stored::Whole(source);
    }
    let lacking = |class, reason, skip| {
        let raw = document.source.or(document.recovery_source);
        Stored::Unusable(Unusable {
            class,
            reason,
            raw: raw.unwrap_or_default(),
            skip,
        })
    };
    match (rule.choice, document.source) {
        (WithoutSource::Skip, _) => lacking("source-skipped", "the plan leaves it out", true),
        (WithoutSource::AsStored, Some(source)) => Stored::Whole(source),
        // What the server keeps for a while to bring a copy of the shard up to date is the source as it was sent.
        (WithoutSource::Reconstruct, _) => match document.recovery_source {
            Some(source) => Stored::Whole(source),
            None => Stored::Rebuild,
        },
        (_, None) => lacking("source-missing", "its _source was not stored", false),
        (_, Some(_)) => lacking(
            "source-reduced",
            "its _source was stored without some fields, and nothing else has them",
            false,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::lucene::StoredDocument;

    #[test]
    fn the_plan_says_what_becomes_of_documents_without_a_source() {
        use WithoutSource::{AsStored, Reconstruct, Refuse, Skip};
        let document = |source, recovery_source| Document {
            doc: 0,
            id: "1",
            routing: None,
            source,
            recovery_source,
            version: None,
            seq_no: None,
            primary_term: None,
            legacy_type: None,
            stored: StoredDocument::EMPTY,
        };
        let (all, part) = (Some(&b"{\"a\":1,\"b\":2}"[..]), Some(&b"{\"a\":1}"[..]));
        let given = |document: &Document<'_>, choice, reduced| {
            let kind = if reduced {
                SourceGapKind::Reduced
            } else {
                SourceGapKind::Disabled
            };
            let gap = SourceGap {
                kind,
                by: String::new(),
                lost: Vec::new(),
            };
            match stored(document, SourceRule::of(Some(&gap), choice)) {
                Stored::Whole(source) => String::from_utf8(source.to_vec()).unwrap(),
                Stored::Unusable(unusable) => format!("{} {}", unusable.class, unusable.skip),
                Stored::Rebuild => "rebuilt".to_owned(),
            }
        };
        for (source, recovery, reduced, choice, wanted) in [
            (None, None, false, Refuse, "source-missing false"),
            (None, None, false, Skip, "source-skipped true"),
            (None, None, false, Reconstruct, "rebuilt"),
            (None, all, false, Refuse, "source-missing false"),
            (None, all, false, AsStored, "source-missing false"),
            (None, all, false, Reconstruct, "{\"a\":1,\"b\":2}"),
            (all, None, false, Skip, "{\"a\":1,\"b\":2}"),
            (part, all, true, Refuse, "source-reduced false"),
            (part, all, true, Skip, "source-skipped true"),
            (part, all, true, AsStored, "{\"a\":1}"),
            (part, all, true, Reconstruct, "{\"a\":1,\"b\":2}"),
            (part, None, true, Reconstruct, "rebuilt"),
        ] {
            let found = given(&document(source, recovery), choice, reduced);
            assert_eq!(found, wanted, "{choice:?}, reduced: {reduced}");
        }
        // Without a gap no choice matters: a document without a source is damage.
        let rule = SourceRule::of(None, Skip);
        assert_eq!(rule, SourceRule::default());
        let damaged = stored(&document(None, all), rule);
        assert!(matches!(damaged, Stored::Unusable(unusable) if !unusable.skip));
    }
}
