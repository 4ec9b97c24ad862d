//! Planning and state (MIG080–MIG099): found when a plan meets clusters and state, explained here.

use super::codes;

codes! {
    SNAPSHOT_UNUSABLE = 80 Error "the snapshot can't be used"
        "There is no snapshot of that name, or it is not complete: one whose shards are missing (PARTIAL, FAILED) or are still being \
         written (IN_PROGRESS) can't prove that every document arrived. The shards that failed are named. Name a complete snapshot."
        "base: { snapshot: { existing: { store: snapshots, name: nightly } } }" => "base: { snapshot: { existing: { store: snapshots, name: nightly-1 } } }";
    OBJECT_DIFFERS = 81 Error "an object on the target differs"
        "An index, template or alias is on the target already and is not what the snapshot says. `mig` neither overwrites nor passes \
         over it without your word: `keep-target` leaves it as it is, `replace` puts the snapshot's in its place."
        "mappings: { metadata: { from: base, to: os } }" => "mappings: { metadata: { from: base, to: os, decide: { \"index logs\": keep-target } } }";
    ANSWER_UNKNOWN = 82 Error "an answer that nothing asks for"
        "`decide:` answers questions by the object they are about (`index logs`, `legacy template logs`), with `keep-target`, `replace` or \
         `accept`. This one names no object that is moved, or is none of these answers: a typing error more often than not."
        "decide: { logs: keep }" => "decide: { \"index logs\": keep-target }";
    INDEX_ABSENT = 83 Error "an index is not on the target"
        "A target never creates an index by itself, since it would guess the mapping. This index is not there and no metadata phase of \
         the plan makes it: include it there, or exclude it here."
        "mappings: { metadata: { include: { indices: [\"logs-*\"] } } }\ndocs: { backfill: { indices: [\"*\"] } }" => "mappings: { metadata: { include: { indices: [\"*\"] } } }\ndocs: { backfill: { indices: [\"*\"] } }";
    FOREIGN_DOCUMENTS = 84 Error "an index holds documents of somebody else"
        "The index on the target holds documents that this phase did not write. Loading into it would mix them with the snapshot's, and no \
         proof could tell them apart. Exclude the index, empty it, or choose another target."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os, indices: [\"*\", \"!logs\"] } }";
    WORK_OF_ANOTHER_STATE = 85 Error "the work store belongs to another state"
        "Progress is kept beside the documents, under the plan's name and the lineage of its state. What is there was left by another \
         state of a plan with the same name, which may still be at work: it is never touched. Give this plan another name, or use that state."
        "plan: shop" => "plan: shop-second";
    TARGET_IS_LIVE = 86 Error "documents would be written to a live target"
        "A switchover marked the target live: it belongs to its users, and a backfill would write old documents over new ones. Choose \
         another target, or take the switchover back first (`mig rollback`)."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os-next } }";
    PROOF_MISSING = 87 Error "a target would go live without a proof"
        "A switchover rests on a verification of all documents of the target (`content: full` or `ids`). There is none in the plan, or it \
         waits for an answer itself."
        "same: { verify: { source: base, target: os, content: counts } }\nlive: { switchover: { to: os } }" => "same: { verify: { source: base, target: os, content: full } }\nlive: { switchover: { to: os } }";
    PROOF_OLD = 88 Error "the proof is too old"
        "The verification that the switchover rests on ended longer ago than `max-age` allows. Make it again with `mig apply --redo` and the \
         name of the verify phase, or allow an older one."
        "live: { switchover: { to: os, max-age: 1h } }" => "live: { switchover: { to: os, max-age: 7d } }";
    OBJECT_REFUSED = 89 Error "the target would refuse an object"
        "Asked beforehand, the target said that it can't hold this index or template as it is wanted: its words are given. A type of field \
         that comes with a plugin is a common cause. Install what is missing there, change the object at the source, or leave it out."
        "mappings: { metadata: { from: base, to: os } }" => "mappings: { metadata: { from: base, to: os, include: { indices: [\"*\", \"!logs\"] } } }";
    SHALLOW_COPY = 90 Error "the segments of a shard stand in a remote store"
        "OpenSearch took this snapshot as a shallow copy (`remote_store_index_shallow_copy: true`): the repository holds references into \
         the remote store of the cluster and no documents. Take a full copy into a repository with `remote_store_index_shallow_copy: false`, \
         or leave the index out."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os, indices: [\"*\", \"!logs\"] } }";
    MOUNTED_SNAPSHOT = 91 Error "an index is mounted from another snapshot"
        "A searchable snapshot (`index.store.type: snapshot`, the cold and frozen tiers) has no files of its own in a snapshot: its \
         documents stand in the snapshot that it was mounted from. That one is named; where it is in the same repository, read the index \
         from there by a snapshot phase of its own."
        "base: { snapshot: { existing: { store: snapshots, name: nightly } } }" => "frozen: { snapshot: { existing: { store: snapshots, name: 2019-archive } } }";
    MASKED_VECTORS = 92 Error "vectors are masked in the source"
        "The server took vectors out of `_source` to save space and puts them back when it answers: OpenSearch k-NN writes 1 in their \
         place, Elasticsearch 9.2 and later leaves them out. Documents that are moved as they are stored would lose them in silence. Write the \
         index anew at the source with `index.knn.derived_source.enabled: false` (`index.mapping.exclude_source_vectors: false`) and take \
         the snapshot again, or leave the index out."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os, indices: [\"*\", \"!vectors\"] } }";
    UNKNOWN_FORMAT = 93 Error "a segment has an unknown format"
        "A file of a segment says in its header that it has a format, or a version of one, that this `mig` does not know: a codec of a \
         plugin, or a server newer than `mig`. Nothing is guessed. Take a newer `mig`, write the index anew at the source with a codec of the \
         distribution, or leave it out."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os, indices: [\"*\", \"!logs\"] } }";
    SHARD_MISSING = 94 Error "a shard is not in the snapshot"
        "The snapshot has no list of files of this shard, an empty one, or one without a commit, though a shard without documents has all \
         three. Its documents are not there to be moved, and nothing could prove that they arrived. Take the snapshot again, or leave the \
         index out; of a PARTIAL snapshot, `partial: take` moves the shards that are there."
        "base: { snapshot: { existing: { store: snapshots, name: nightly } } }" => "base: { snapshot: { existing: { store: snapshots, name: nightly, partial: take } } }";
    SOURCE_NOT_STORED = 95 Error "documents have no source as it was sent"
        "By its mapping or settings this index keeps no `_source` (disabled, synthetic, derived), or one that lacks fields (`includes`, \
         `excludes`). `without-source` of the backfill decides: `reconstruct` makes one from what the segments hold (`_recovery_source` first, \
         which is whole), `skip` leaves such documents out and counts them, `as-stored` takes a source that lacks fields as it is."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os, without-source: reconstruct } }";
    SHARD_DAMAGED = 96 Error "a shard is damaged"
        "Bytes of this shard are not what was written: a checksum, a length or a structure does not hold, or a file that is listed is not \
         there. What can be read of it is no proof of anything. Restore the repository from a copy, take the snapshot again, or leave the \
         index out."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os, indices: [\"*\", \"!logs\"] } }";
    SEVERAL_TYPES = 97 Error "an index has several types"
        "Before Elasticsearch 6 an index could have several types, each with identities of its own: the same `_id` may stand for two documents, \
         and one of them would be lost in an index without types. `types` of the metadata phase says how they are taken: `union` puts them into one \
         index (with `ids: type-prefix` where an `_id` stands in two of them), `split` each into an index of its own; or leave the index out."
        "meta: { metadata: { from: base, to: os } }" => "meta: { metadata: { from: base, to: os, types: { forum: { take: split } } } }";
    OBJECT_NOT_THERE = 98 Error "an object is named and not there"
        "An index or template names a pipeline or a component template, or a pipeline another one or a script, that the plan does not \
         move and the target does not have. The target would take it and fail on the first document, or refuse it while applying. Include \
         what is named, make it on the target, or accept it by its own name."
        "mappings: { metadata: { from: base, to: os, include: { pipelines: none } } }" => "mappings: { metadata: { from: base, to: os, include: { pipelines: [\"*\"] } } }";
    DATA_STREAM = 99 Error "a data stream can't be one on the target"
        "A data stream is made by a composable template whose pattern fits its name and that says `data_stream: {}`; Elasticsearch takes \
         `@timestamp` alone for its field of time, and before 7.9 it has no data streams. Something of this is lacking: it is said what. Move \
         the template along (`include.templates`; a snapshot holds templates where `include-global-state` is true), make one on the target, or \
         take the stream's indices as ordinary ones."
        "mappings: { metadata: { from: base, to: os } }" => "mappings: { metadata: { from: base, to: os, data-streams: indices } }";
}
