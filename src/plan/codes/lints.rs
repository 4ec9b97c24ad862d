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
}
