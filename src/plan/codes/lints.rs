//! Lints (MIG060–MIG079): the plan works and is most likely not what was meant. `allow:` turns each off.

use super::codes;

codes! {
    HOP_NOT_NEEDED = 60 Warning "a hop is not needed"
        "`mig` reads snapshots of old versions without restoring them, so documents can go from the old snapshot straight \
         into the new target. A cluster in the middle costs its hardware and writes every document once more. Only keep it \
         when something else needs that cluster."
        "hops: [es56, es710, os2]" => "hops: [es56, os2]";
    REDUNDANT_PATTERN = 61 Warning "a pattern is redundant"
        "Another pattern of the same list already decides every name that this one matches, so it changes nothing. More \
         often than not it was meant to say something else."
        "indices: [\"*\", \"logs-*\"]" => "indices: [\"logs-*\"]";
    NO_VERIFY = 62 Warning "documents are loaded and never verified"
        "No `verify` phase compares what this backfill writes, so nothing would show a missing document. A verification \
         reads both sides once and leaves evidence."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os } }\nsame: { verify: { source: base, target: os } }";
    CONTENT_BELOW_FULL = 63 Advice "the verification does not compare all content"
        "`content: counts`, `ids` and `sample` are cheaper than `full`, and each can pass although a document differs. Use \
         them for large rehearsals, and `full` before you give the old cluster up."
        "content: counts" => "content: full";
    INSECURE_TLS = 64 Warning "certificates are not checked"
        "With `tls: { insecure: true }` anybody between `mig` and the cluster can read the credentials and the documents. \
         Name the authority instead: `ca` takes a PEM file, also of a self-signed certificate."
        "tls: { insecure: true }" => "tls: { ca: certs/cluster-ca.pem }";
    SETTLE_WITHOUT_LIVE_SOURCE = 65 Warning "`settle` has no effect"
        "`settle` gives differences against a source that is still written to time to vanish. A snapshot doesn't change, so \
         reading again can't help."
        "verify: { source: base, target: os, settle: 5m }" => "verify: { source: base, target: os }";
    UNUSED = 66 Warning "something is declared and never used"
        "A variable, cluster or store that nothing refers to is either left over, or the place that should refer to it has \
         another name."
        "vars: { workers: { type: int, default: 2 } }" => "docs: { backfill: { from: base, to: os, workers: \"${vars.workers}\" } }";
    HOP_BACKWARDS = 67 Warning "a hop leads back"
        "Metadata is translated from what is older to what is newer. What a newer server has and an older one lacks is told by the \
         plan, index by index, and most of it has no translation. An order of clusters that is turned round is the common cause."
        "hops: [os3, os2]" => "hops: [os2, os3]";
    HOP_OF_ONE_VERSION = 68 Warning "a hop leads nowhere"
        "Both clusters have one version, so that nothing is gained on the way to a newer one, and every document is written once \
         more. To move a cluster to other machines is a plan of its own, with one hop."
        "hops: [es56, es710-a, es710-b, os2]" => "hops: [es56, es710-a, os2]";
    HOP_TO_ITSELF = 69 Warning "a path comes by one cluster twice"
        "Two clusters of the path have one address. A hop between them would read a cluster and write to it again, and a later hop \
         would meet the indices of an earlier one."
        "a: { endpoint: https://es:9200 }\nb: { endpoint: https://es:9200 }" => "a: { endpoint: https://es:9200 }\nb: { endpoint: https://es-new:9200 }";
    STORE_OF_SEVERAL = 70 Warning "two clusters write to one store"
        "A cluster keeps in memory what a snapshot repository held when it last looked, and a second one that writes there is not \
         noticed: servers call such a repository corrupt, and older ones damage it. Each cluster that snapshots are taken of needs \
         a store of its own; a store that is only read is no matter."
        "with: { store: snapshots }" => "with: { store: \"snapshots-${hop.from}\" }";
}
