//! Documents on their way (MIG300–MIG339): what stands between them and the target, explained here.

use super::codes;

codes! {
    STREAM_AHEAD = 330 Error "a data stream is ahead of its documents"
        "A data stream gives documents to its newest generation alone. On the target it has more generations than were made for what is \
         loaded, so that the documents that are still to come would stand in the wrong one: somebody, or a policy, rolled it over, or it was \
         there before. Stop what rolls it over and load the stream anew (`--redo`), or take its indices one by one."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os, data-streams: indices } }";
    STREAM_ROUTING = 331 Error "documents of a data stream have a routing of their own"
        "The source lets clients route documents of this data stream (`allow_custom_routing`), and a data stream of the target refuses every \
         document with a routing. As ordinary indices they keep it."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os, data-streams: indices } }";
}
