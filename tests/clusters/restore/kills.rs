//! Kills while a target restores: of `mig` at each boundary and in the middle, and of the target.

use super::*;

/// Parts that the boundaries are divided into; a day takes one.
#[cfg(feature = "failpoints")]
const PARTS: u64 = 6;

const POINTS: [&str; 12] = [
    "restore.register.before",
    "restore.register.after",
    "restore.announced",
    "restore.noted",
    "restore.closed",
    "restore.asked",
    "restore.whole",
    "restore.counted",
    "restore.done",
    "restore.noted:2",
    "restore.asked:2",
    "restore.unregister",
];

/// Two indices, one of them closed at the source, to be restored.
fn two(target: &Server, number: usize) -> (Load<'_>, String) {
    let settings = [
        ("index.number_of_shards", json!(2)),
        ("index.refresh_interval", json!("9s")),
    ];
    let what = format!("rkill{number}");
    let load = Load::new(
        target,
        &what,
        300,
        &settings,
        "workers: 2, strategy: restore",
    );
    let closed = load.scope.name("closed");
    load.source.put(
        &format!("/{closed}"),
        &json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0}}),
    );
    load.source
        .bulk(&closed, "{\"index\":{\"_id\":\"1\"}}\n{\"a\":\"x\"}\n");
    load.source.post(&format!("/{closed}/_close"), &json!({}));
    (load, closed)
}

#[track_caller]
fn is_done(load: &Load<'_>, closed: &str, what: &str) {
    let ran = load.place.apply();
    assert_eq!(ran.code, 0, "after {what}\n{}\n{}", ran.out, ran.err);
    load.is_whole();
    let target = load.target;
    assert_eq!(load.setting("index.refresh_interval"), "9s", "after {what}");
    assert_eq!(created(target, &load.index), "7100299", "after {what}");
    let state = target.get(&format!("/_cluster/state/metadata/{closed}"));
    assert_eq!(
        state["metadata"]["indices"][closed]["state"], "close",
        "after {what}"
    );
    let notes = notes(target, load.scope.prefix());
    let kinds: Vec<&Value> = notes.iter().map(|note| &note["_source"]["kind"]).collect();
    assert_eq!(kinds, ["restored", "restored"], "after {what}");
    assert_eq!(
        repositories(target, load.scope.prefix()),
        Vec::<String>::new(),
        "after {what}"
    );
}

#[cfg(feature = "failpoints")]
fn killed(place: &Place, point: &str) {
    let mut command = place.command(&["apply", "--auto-approve"]);
    let ran = command.env("MIG_FAILPOINT", point).output().unwrap();
    assert_eq!(ran.status.code(), None, "{point}: it was not killed");
}

#[test]
#[cfg(feature = "failpoints")]
fn a_kill_at_every_boundary_of_a_restore_is_finished_by_a_plain_apply() {
    let target = opensearch2();
    for (number, point) in POINTS.iter().enumerate() {
        if !is_its_day(number as u64 % PARTS, PARTS) {
            continue;
        }
        let (load, closed) = two(target, number);
        killed(&load.place, point);
        // What stands there is told, whatever it is.
        load.place.mig(&["plan"]).ends_with(0);
        load.place.mig(&["backfill", "status"]).ends_with(0);
        is_done(&load, &closed, point);
    }
}

/// A state that is lost between, an operator who begins anew, and one who takes it back.
#[test]
#[cfg(feature = "failpoints")]
fn what_a_kill_left_of_a_restore_is_adopted_reset_and_taken_back() {
    let target = opensearch2();
    for (number, (point, then)) in [
        ("restore.asked:2", "lost"),
        ("restore.closed", "reset"),
        ("restore.counted", "reset"),
        ("restore.noted:2", "rollback"),
    ]
    .into_iter()
    .enumerate()
    {
        if !is_its_day(number as u64, 4) {
            continue;
        }
        let (load, closed) = two(target, 20 + number);
        killed(&load.place, point);
        match then {
            "lost" => {
                std::fs::remove_dir_all(load.place.path("state")).unwrap();
            }
            "reset" => {
                load.place
                    .mig(&["reset", "--auto-approve"])
                    .ends_with(0)
                    .says("what is restored of index")
                    .says("takes the repository");
                assert_eq!(notes(target, load.scope.prefix()), Vec::<Value>::new());
                let repositories = repositories(target, load.scope.prefix());
                assert_eq!(repositories, Vec::<String>::new());
                // As it was made: open, empty, with its settings.
                assert_eq!(load.setting("index.refresh_interval"), "9s");
                assert!(created(target, &load.index).starts_with("136"), "{point}");
            }
            _ => {
                load.place
                    .mig(&["rollback", "--auto-approve", "--only", "docs"])
                    .ends_with(0);
                assert_eq!(notes(target, load.scope.prefix()), Vec::<Value>::new());
                assert_eq!(load.visible(), 0);
                assert!(created(target, &load.index).starts_with("136"), "{point}");
            }
        }
        is_done(&load, &closed, &format!("{then} after a kill at {point}"));
    }
}

/// `mig` is killed and then the target, while a restore is slow enough to be looked at.
#[test]
fn a_restore_in_the_middle_is_seen_goes_on_alone_and_survives_its_target() {
    if !is_its_day(2, 3) {
        return;
    }
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let fields = "workers: 2, strategy: restore, limits: { bytes: 60KiB/s }";
    let load = Load::new(&target, "slow", 20_000, &[], fields);
    let child = load.place.spawn(&["apply", "--auto-approve"]);
    let under_way = || {
        let path = format!("/{}/_recovery?filter_path=*.shards", load.index);
        let answer = target.client().json(Request::get(path)).unwrap_or_default();
        let shard = &answer[&load.index]["shards"][0];
        shard["type"] == "SNAPSHOT" && shard["stage"] != "DONE"
    };
    let began = Instant::now();
    while !under_way() {
        assert!(began.elapsed() < LONGEST, "it was never under way");
        std::thread::sleep(LOOK);
    }
    load.place
        .mig(&["backfill", "status", "--deep-check"])
        .ends_with(0)
        .says("BackfillStatus.RUNNING")
        .says("The target restores 1 index by itself");
    kill(child);
    assert!(under_way(), "the target goes on");
    let planned = load.place.mig(&["plan"]).ends_with(0);
    planned.says("restored as it is");
    load.place
        .mig(&["backfill", "status"])
        .ends_with(0)
        .says("The target restores 1 index by itself");
    assert!(under_way(), "it is too fast to be looked at");
    target.kill();
    // What it gave up leaves the target red, until the restore is asked for again.
    std::thread::scope(|scope| {
        let up = scope.spawn(|| target.restart());
        let began = Instant::now();
        while target.try_get("/_cluster/health").is_err() {
            assert!(began.elapsed() < LONGEST, "it never came back");
            std::thread::sleep(LOOK);
        }
        load.place.mig(&["plan"]).ends_with(0);
        load.place.apply().ends_with(0);
        up.join().unwrap();
    });
    load.is_whole();
    assert_eq!(created(&target, &load.index), "7100299");

    // A run that is asked to stop leaves the target at it, and the next one finds it.
    load.place
        .mig(&["rollback", "--auto-approve", "--only", "docs"])
        .ends_with(0);
    let child = load.place.spawn(&["apply", "--auto-approve"]);
    let began = Instant::now();
    while !under_way() {
        assert!(began.elapsed() < LONGEST, "it was never under way");
        std::thread::sleep(LOOK);
    }
    crate::load::signal(&child, rustix::process::Signal::INT);
    ends(child).ends_with(130);
    assert!(under_way(), "the target goes on");
    load.place.apply().ends_with(0);
    load.is_whole();
}
