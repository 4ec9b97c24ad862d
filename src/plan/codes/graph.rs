//! Order and invariants of the compiled graph (MIG040–MIG059): found by `graph`, explained here.

use super::codes;

codes! {
    CYCLE = 40 Error "phases wait for each other"
        "Each of these phases waits for the next, so none could ever start. The order comes from references, from shared \
         indices of a target (metadata, backfill, verify, switchover) and from `after`. As a rule one `after` too many is the cause."
        "mappings: { metadata: { from: base, to: os, after: [docs] } }" => "mappings: { metadata: { from: base, to: os } }";
    ONE_PHASE_AN_INDEX = 41 Error "two phases of one kind on one index"
        "Two phases that write, or prove, one index of one target would contradict each other sooner or later, and no proof could \
         say whose documents it found. Give each index to one phase."
        "a: { backfill: { indices: [\"*\"] } }\nb: { backfill: { indices: [\"logs-*\"] } }" => "a: { backfill: { indices: [\"*\", \"!logs-*\"] } }\nb: { backfill: { indices: [\"logs-*\"] } }";
    WRITES_AFTER_LIVE = 42 Error "a phase writes to a target that is live"
        "After a switchover the target belongs to its clients. A backfill that ran later would write old documents over new ones."
        "docs: { backfill: { from: base, to: os, after: [live] } }" => "live: { switchover: { to: os, after: [docs] } }";
    PROOF_OF_ANOTHER_SNAPSHOT = 43 Error "the proof reads another snapshot than the backfill"
        "A verification against a snapshot proves that what was loaded is what the snapshot holds. Against another snapshot it \
         would report differences that are none, or miss some that are."
        "docs: { backfill: { from: base, to: os } }\nsame: { verify: { source: older, target: os } }" => "docs: { backfill: { from: base, to: os } }\nsame: { verify: { source: base, target: os } }";
    TWO_SNAPSHOTS = 44 Error "metadata of one snapshot and documents of another"
        "The mappings were made for the documents of their own snapshot. Documents of another one may hold fields that they refuse \
         or read differently."
        "mappings: { metadata: { from: older, to: os } }\ndocs: { backfill: { from: base, to: os } }" => "mappings: { metadata: { from: base, to: os } }\ndocs: { backfill: { from: base, to: os } }";
    BACKFILL_WITHOUT_METADATA = 45 Warning "no phase makes the indices of a backfill"
        "`mig` never lets a target create an index by itself, since it would guess the mapping. Without a metadata phase the indices \
         must stand there before the backfill starts."
        "docs: { backfill: { from: base, to: os } }" => "mappings: { metadata: { from: base, to: os } }\ndocs: { backfill: { from: base, to: os } }";
    IDLE_GATE = 46 Warning "nothing waits for a gate"
        "A gate holds back the phases that name it in `after`. A gate without `after` that no phase names holds back the snapshots. \
         This one holds back nothing."
        "ready: { gate: { title: Ready?, after: [base] } }" => "ready: { gate: { title: Ready?, after: [base] } }\ndocs: { backfill: { from: base, to: os, after: [ready] } }";
    LIVE_WITHOUT_PROOF = 47 Error "a target goes live and nothing verified it"
        "A switchover is the step that can't be taken back, and it rests on the proof that every document arrived."
        "live: { switchover: { to: os } }" => "same: { verify: { source: base, target: os } }\nlive: { switchover: { to: os } }";
    INTO_ITS_OWN_SOURCE = 48 Error "documents would go back into their own source"
        "The phase writes to the cluster that its snapshot is taken of: it would write old documents over newer ones."
        "base: { snapshot: { of: es, to: snapshots } }\ndocs: { backfill: { from: base, to: es } }" => "docs: { backfill: { from: base, to: os } }";
    OVERLAP = 49 Error "an index belongs to two phases"
        "Now that the indices are known, one of them is chosen by two phases of one kind on one target. Exclude it in one of them."
        "a: { backfill: { indices: [\"logs-*\"] } }\nb: { backfill: { indices: [\"*-2019\"] } }" => "a: { backfill: { indices: [\"logs-*\", \"!logs-2019\"] } }\nb: { backfill: { indices: [\"*-2019\"] } }";
    SINCE_ITSELF = 50 Error "what changed since itself"
        "`from` and `since` of a backfill name one snapshot: nothing changed in between. `since` names the snapshot that another \
         backfill of the plan loads, `from` a later one of the same cluster."
        "more: { backfill: { from: base, to: os, since: base } }" => "more: { backfill: { from: later, to: os, since: base } }";
    SINCE_WITHOUT_BASE = 51 Error "nothing loads what a backfill builds upon"
        "A backfill with `since` moves what changed, and leaves all else as it is on the target. So the snapshot under `since` has to \
         stand there: another backfill of this plan loads it to the same target, of indices that both choose."
        "more: { backfill: { from: later, to: os, since: base } }" => "docs: { backfill: { from: base, to: os } }\nmore: { backfill: { from: later, to: os, since: base } }";
    SINCE_OF_ANOTHER_CLUSTER = 52 Error "two snapshots of different clusters"
        "What changed can only be found between two snapshots of one cluster: documents of another one have other histories."
        "base: { snapshot: { of: es, to: s } }\nlater: { snapshot: { of: other, to: s } }" => "base: { snapshot: { of: es, to: s } }\nlater: { snapshot: { of: es, to: s } }";
    SINCE_OF_OTHER_INDICES = 53 Error "two snapshots of different indices"
        "The patterns of the two snapshot phases have no index in common, so that nothing of the later one stands on the target."
        "base: { snapshot: { indices: [\"logs-*\"] } }\nlater: { snapshot: { indices: [\"metrics-*\"] } }" => "later: { snapshot: { indices: [\"logs-*\"] } }";
    SINCE_NEEDS_VERSIONS = 54 Error "changes without versions"
        "A delete without a version would remove what users of the target wrote in the meantime. Both the backfill that loads the base \
         and the one that builds upon it have to keep the versions of the source."
        "more: { backfill: { from: later, to: os, since: base, versions: drop } }" => "more: { backfill: { from: later, to: os, since: base } }";
}
