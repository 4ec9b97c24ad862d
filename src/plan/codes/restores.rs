//! Restores (MIG380–MIG389): why a target can't restore an index as a backfill asks, found when planning and explained here.

use super::codes;

codes! {
    RESTORE_UNREADABLE = 380 Error "the target would not open a restored index"
        "A restored index stays created by the version that made it, whatever cluster it was on since. OpenSearch 1 opens indices of \
         Elasticsearch 6.0 to 7.10, OpenSearch 2 those of Elasticsearch 7.0 to 7.10 and of OpenSearch 1, each later OpenSearch those of the major \
         version before it and its own; Elasticsearch opens those of the major version before it. None opens what a newer version made. Write the \
         documents instead, which has no such bounds."
        "docs: { backfill: { from: base, to: os3, strategy: restore } }" => "docs: { backfill: { from: base, to: os3, strategy: reindex } }";
    RESTORE_UNFIT = 381 Error "a restore would not give what the plan wants"
        "A restore brings an index as it is in the snapshot: no transforms, the same shards, the same mapping, the same versions of documents, \
         no limit of documents a second. The plan wants something else of this index, or no proof could be made of it afterwards: it is said what. \
         `strategy: auto` restores the other indices and writes the documents of this one."
        "docs: { backfill: { from: base, to: os, strategy: restore, transforms: [tidy] } }" => "docs: { backfill: { from: base, to: os, strategy: auto, transforms: [tidy] } }";
    RESTORE_UNREACHED = 382 Error "the target does not reach the snapshot"
        "For a restore the nodes of the target read the repository themselves: a directory has to be mounted under the same path on each of them \
         and stand in their `path.repo`, a bucket needs the plugin `repository-s3` and credentials there. Make it so, or write the documents, \
         for which mig alone needs to read the store."
        "docs: { backfill: { from: base, to: os, strategy: restore } }" => "docs: { backfill: { from: base, to: os, strategy: reindex } }";
}
