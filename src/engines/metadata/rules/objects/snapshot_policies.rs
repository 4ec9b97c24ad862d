//! Policies that take snapshots: of SLM to those of Snapshot Management.
//!
//! Deliberately absent: the repository, which the target has to have under the same name, and schedules that the other
//! side has no way to say ([`unsayable_schedule`]): such a policy is listed as not moved.

use serde_json::{Map, Value, json};

use super::super::lines::{ELASTICSEARCH, OPENSEARCH};
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Proof, Rule, Versions};

const POLICIES: &[ObjectKind] = &[ObjectKind::SnapshotPolicy];
const LINK: &str = "https://docs.opensearch.org/latest/tuning-your-cluster/availability-and-recovery/snapshots/snapshot-management/";

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG250",
        title: "a policy of snapshots becomes one of Snapshot Management",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: POLICIES,
        level: Level::Warn,
        lossy: false,
        why: "the schedule is one of cron there, and snapshots are called after the policy and the date; the target has to have a repository of the same name",
        link: LINK,
        proof: Proof::TranslatedOnly,
        before: r#"{"schedule": "0 30 1 * * ?", "name": "<nightly-{now/d}>", "repository": "backups",
            "config": {"indices": ["logs-*", "shop"], "include_global_state": false},
            "retention": {"expire_after": "30d", "min_count": 5, "max_count": 50}}"#,
        after: r#"{"description": "translated from a snapshot lifecycle policy of Elasticsearch",
            "creation": {"schedule": {"cron": {"expression": "30 1 * * *", "timezone": "UTC"}}},
            "deletion": {"condition": {"max_age": "30d", "min_count": 5, "max_count": 50}},
            "snapshot_config": {"repository": "backups", "indices": "logs-*,shop", "include_global_state": false}}"#,
        apply: convert,
    },
    Rule {
        code: "MIG251",
        title: "features of Elasticsearch in snapshots are not carried over",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: POLICIES,
        level: Level::Warn,
        lossy: true,
        why: "OpenSearch knows no states of features, and takes the indices that the pattern chooses",
        link: LINK,
        proof: Proof::TranslatedOnly,
        before: r#"{"snapshot_config": {"repository": "backups", "feature_states": ["kibana"], "expand_wildcards": "all"}}"#,
        after: r#"{"snapshot_config": {"repository": "backups"}}"#,
        apply: drop_features,
    },
];

/// The schedule of a policy of SLM, where cron can't say it.
pub(in crate::engines::metadata) fn unsayable_schedule(policy: &Value) -> Option<&str> {
    let schedule = policy.get("schedule")?.as_str()?;
    cron(schedule).is_none().then_some(schedule)
}

fn convert(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let schedule = draft.beside.get("schedule").and_then(Value::as_str);
    let Some(expression) = schedule.and_then(cron) else {
        return;
    };
    let before = std::mem::take(&mut draft.beside);
    let config = before.get("config").and_then(Value::as_object).cloned();
    let mut config = config.unwrap_or_default();
    if let Some(repository) = before.get("repository") {
        config.insert("repository".into(), repository.clone());
    }
    if let Some(Value::Array(patterns)) = config.get("indices") {
        let patterns: Vec<&str> = patterns.iter().filter_map(Value::as_str).collect();
        config.insert("indices".into(), json!(patterns.join(",")));
    }
    let after = &mut draft.beside;
    after.insert(
        "description".into(),
        json!("translated from a snapshot lifecycle policy of Elasticsearch"),
    );
    after.insert(
        "creation".into(),
        json!({"schedule": {"cron": {"expression": expression, "timezone": "UTC"}}}),
    );
    if let Some(Value::Object(retention)) = before.get("retention")
        && !retention.is_empty()
    {
        let mut condition = retention.clone();
        if let Some(age) = condition.remove("expire_after") {
            condition.insert("max_age".into(), age);
        }
        after.insert("deletion".into(), json!({ "condition": condition }));
    }
    after.insert("snapshot_config".into(), Value::Object(config));
    let after = Value::Object(after.clone());
    let change = Change {
        path: "policy",
        before: Some(Value::Object(before)),
        after: Some(after),
    };
    draft.note(rule, change);
}

fn drop_features(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    for name in ["feature_states", "expand_wildcards"] {
        let config = draft.beside.get_mut("snapshot_config");
        let removed = config
            .and_then(Value::as_object_mut)
            .and_then(|config: &mut Map<String, Value>| config.remove(name));
        if let Some(value) = removed {
            let change = Change {
                path: &format!("snapshot_config.{name}"),
                before: Some(value),
                after: None,
            };
            draft.note(rule, change);
        }
    }
}

/// A schedule of SLM (seconds first, days of the week from 1, Sunday) as one of cron (days from 0); `None` where cron
/// can't say it: seconds, years, intervals, the last day of something.
fn cron(schedule: &str) -> Option<String> {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let ([seconds, minutes, hours, days, months, weekdays]
    | [seconds, minutes, hours, days, months, weekdays, "*"]) = fields[..]
    else {
        return None;
    };
    if seconds != "0" {
        return None;
    }
    let plain = |field: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "*,-/".contains(c);
        let named = field.contains(['L', 'W', '#']) && !is_name(field);
        (!named && field.chars().all(allowed)).then(|| field.to_owned())
    };
    let any = |field: &str| {
        if field == "?" {
            "*".to_owned()
        } else {
            field.to_owned()
        }
    };
    Some(
        [
            plain(minutes)?,
            plain(hours)?,
            plain(&any(days))?,
            plain(months)?,
            weekday(&any(weekdays))?,
        ]
        .join(" "),
    )
}

/// Names of months hold an `L`, those of days a `W`.
fn is_name(field: &str) -> bool {
    field
        .split([',', '-'])
        .all(|part| part.len() == 3 && part.chars().all(|c| c.is_ascii_alphabetic()))
}

fn weekday(field: &str) -> Option<String> {
    if field == "*" || is_name(field) {
        return Some(field.to_owned());
    }
    let numbers: Option<Vec<String>> = field
        .split(',')
        .map(|part| {
            let ends: Option<Vec<String>> = part
                .split('-')
                .map(|day| match day.parse::<u8>() {
                    Ok(day @ 1..=7) => Some((day - 1).to_string()),
                    _ => None,
                })
                .collect();
            Some(ends?.join("-"))
        })
        .collect();
    Some(numbers?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_said_the_other_way_or_not_at_all() {
        for (schedule, expected) in [
            ("0 30 1 * * ?", Some("30 1 * * *")),
            ("0 0 */4 ? * MON-FRI", Some("0 */4 * * MON-FRI")),
            ("0 0 2 1 JUL ?", Some("0 2 1 JUL *")),
            ("0 0 2 ? * 1,7", Some("0 2 * * 0,6")),
            ("0 0 2 ? * 2-6 *", Some("0 2 * * 1-5")),
            ("30 0 2 * * ?", None),
            ("0 0 2 L * ?", None),
            ("0 0 2 ? * 6#3", None),
            ("0 0 2 15W * ?", None),
            ("0 0 2 * * ? 2027", None),
            ("30m", None),
        ] {
            assert_eq!(cron(schedule).as_deref(), expected, "{schedule}");
        }
    }
}
