//! Objects that a target could not take (MIG340–MIG359): found before anything is written, without asking the target for more
//! than the names and templates that it has.

use super::codes;

codes! {
    NAME_OF_ANOTHER = 340 Error "a name belongs to an object of another kind"
        "Indices, aliases and data streams share one space of names. An index or alias that is to be made, or an alias that a template \
         gives to its indices, has the name of something else that the plan makes or the target has already. The target would refuse the one or \
         the other half way, or every index that the template is for. Leave one of them out, or remove what is on the target."
        "mappings: { metadata: { from: base, to: os } }" => "mappings: { metadata: { from: base, to: os, include: { aliases: [\"*\", \"!logs\"] } } }";
    TEMPLATES_OVERLAP = 341 Error "two composable templates match the same names"
        "Of composable templates one alone is for an index: the one of the highest `priority`. Targets refuse a second one of the same priority \
         (nothing said counts as 0) whose patterns match a name that those of the first match too. Leave one of them out, give one another \
         priority, or narrow its patterns."
        "mappings: { metadata: { from: base, to: os } }" => "mappings: { metadata: { from: base, to: os, include: { templates: [\"*\", \"!logs\"] } } }";
    NAME_REFUSED = 342 Error "a name that the target does not take"
        "Older servers took names that newer ones refuse: colons before Elasticsearch 7, a leading `+` or `-`, `#`. `mig` gives no other name by \
         itself, since whoever reads and writes the index has to know it. Copy it at the source to an index of another name (`_reindex`) and take the \
         snapshot again, or leave it out."
        "mappings: { metadata: { from: base, to: os } }" => "mappings: { metadata: { from: base, to: os, include: { indices: [\"*\", \"!logs:2019\"] } } }";
    BEYOND_LIMITS = 343 Error "an object is larger than any setting allows"
        "Limits of a mapping that a setting raises are raised (MIG195). Some have no setting: a mapping is read up to 1,000 levels of JSON, \
         the name of a field has at most 50,000 characters, an index 1,024 primary shards, a vector 16,000 dimensions. Change the object at the \
         source, or leave it out."
        "mappings: { metadata: { from: base, to: os } }" => "mappings: { metadata: { from: base, to: os, include: { indices: [\"*\", \"!deep\"] } } }";
    SHARDS_EXCEEDED = 344 Error "the target has no room for the shards"
        "A cluster takes `cluster.max_shards_per_node` open shards (copies too) for each node with data, 1,000 where nothing is said, and \
         refuses the index that goes beyond: half of the indices would be there and the others not. Raise the setting on the target, add nodes, or move \
         fewer indices; `accept` goes on where there will be room by then."
        "mappings: { metadata: { from: base, to: os } }" => "mappings: { metadata: { from: base, to: os, include: { indices: [\"*\", \"!logs-2019-*\"] } } }";
}
