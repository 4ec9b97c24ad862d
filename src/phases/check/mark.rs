//! Whose a probe is: in its name, and beside it wherever a server keeps something beside a thing. Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::{Address, Fingerprint};

/// What the names of all probes of a check begin with. Repositories have to begin with `mig-` for a cluster that is read-only.
pub const PREFIX: &str = "mig-check-";
/// Characters of a lineage that a name holds.
const LINEAGE_CHARS: usize = 12;
/// Characters of the digest of a phase's address that a name holds.
const PHASE_CHARS: usize = 6;

/// See the module.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The plan.
    pub plan: String,
    /// The lineage of the state, or of the checks while there is no state.
    pub lineage: String,
    /// When the check began.
    pub at: Timestamp,
}

impl Mark {
    /// What the names of this lineage's probes begin with.
    pub fn prefix(&self) -> String {
        let lineage = self.lineage.chars().filter(char::is_ascii_alphanumeric);
        let lineage = lineage.map(|it| it.to_ascii_lowercase());
        format!(
            "{PREFIX}{}-",
            lineage.take(LINEAGE_CHARS).collect::<String>()
        )
    }

    /// The name of one thing of a phase's probes: the same at each check, so that it is found again.
    pub fn name(&self, phase: &Address, what: &str) -> String {
        let digest = Fingerprint::of(&phase.as_str());
        let digest = digest
            .as_str()
            .get(..PHASE_CHARS)
            .unwrap_or_default()
            .to_owned();
        format!("{}{digest}-{what}", self.prefix())
    }

    /// For `_meta`.
    pub fn meta(&self) -> Value {
        json!({"check": {
            "plan": self.plan,
            "lineage": self.lineage,
            "at": self.at.to_string(),
        }})
    }

    /// For things that have a description and no `_meta`.
    pub fn words(&self) -> String {
        format!(
            "A probe of `mig check` for plan {}, state {}, {:.0}: removed at its end.",
            self.plan, self.lineage, self.at
        )
    }

    /// Puts the mark into `_meta` below a pointer of a body, which has to be an object there; else into nothing.
    pub fn put_into(&self, body: &mut Value, section: &[&str]) {
        let mut at = body;
        for name in section {
            let Value::Object(fields) = at else { return };
            at = fields.entry(*name).or_insert_with(|| json!({}));
        }
        if let Value::Object(fields) = at {
            let meta = fields.entry("_meta").or_insert_with(|| json!({}));
            if let Value::Object(meta) = meta {
                meta.insert("mig".to_owned(), self.meta());
            }
        }
    }

    /// Whether a `_meta` is of this lineage's checks.
    pub fn is_in(&self, meta: Option<&Value>) -> bool {
        let lineage = meta.and_then(|meta| meta.pointer("/mig/check/lineage"));
        lineage.and_then(Value::as_str) == Some(self.lineage.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(lineage: &str) -> Mark {
        Mark {
            plan: "shop".into(),
            lineage: lineage.into(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn names_are_of_one_lineage_and_one_phase() {
        let own = mark("0F3A-aaaa-bbbb-cccc-dddd");
        let name = own.name(&Address::from("es->os/docs"), "index");
        assert!(name.starts_with("mig-check-0f3aaaaabbbb-"), "{name}");
        assert!(name.ends_with("-index"));
        assert_eq!(name, name.to_lowercase());
        assert_ne!(name, own.name(&Address::from("docs"), "index"));
        assert_ne!(own.prefix(), mark("1f3aaaaabbbb").prefix());
    }

    #[test]
    fn a_mark_stands_beside_what_a_body_has_already() {
        let own = mark("one");
        let mut body = json!({"mappings": {"_meta": {"owner": "web"}}});
        own.put_into(&mut body, &["mappings"]);
        assert_eq!(body["mappings"]["_meta"]["owner"], "web");
        assert!(own.is_in(body.pointer("/mappings/_meta")));
        assert!(!mark("two").is_in(body.pointer("/mappings/_meta")));
        let mut empty = json!({});
        own.put_into(&mut empty, &["template", "mappings"]);
        assert!(own.is_in(empty.pointer("/template/mappings/_meta")));
        let mut odd = json!({"mappings": 7});
        own.put_into(&mut odd, &["mappings"]);
        assert_eq!(odd, json!({"mappings": 7}));
    }
}
