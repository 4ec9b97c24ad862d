//! Figures of a run in the text format of Prometheus, version 0.0.4.
//!
//! Pure. Units are base units: seconds, bytes. Labels have few values: phases are the plan's, indices and classes are bounded
//! by the meters that count them. Deliberately absent: rates and percentiles, which whoever reads makes of counters and buckets.

use std::collections::BTreeMap;

use crate::apply::picture::{PhasePicture, PhaseState, Picture};
use crate::base::Address;
use crate::engines::bulk::Measured;
use crate::engines::bulk::figures::{Figures as Counted, Gauges, Latency};
use crate::engines::bulk::meter::{IndexCounts, limits};

/// The `Content-Type` of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a page is made of.
pub struct Figures<'a> {
    /// The version of `mig`.
    pub version: &'a str,
    /// The command that runs: `apply`, `worker`.
    pub command: &'a str,
    /// What the system says of the process, where it says it.
    pub process: Option<ProcessFigures>,
    /// The run, where the process leads one.
    pub picture: Option<&'a Picture>,
    /// What loads measure of themselves, by phase.
    pub loads: &'a BTreeMap<Address, Measured>,
}

/// What the system says of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFigures {
    /// Memory that is resident.
    pub resident_bytes: u64,
    /// Time of processors, in seconds.
    pub cpu_seconds: f64,
    /// When it began, in seconds since 1970.
    pub start_seconds: f64,
}

/// The page.
pub fn page(figures: &Figures<'_>) -> String {
    let mut out = Page::default();
    let build = [("version", figures.version), ("command", figures.command)];
    out.family(
        "mig_build_info",
        Kind::Gauge,
        "The version of mig that runs, always 1.",
    );
    out.sample("mig_build_info", &build, 1.0);
    if let Some(process) = figures.process {
        process_figures(&mut out, process);
    }
    if let Some(picture) = figures.picture {
        run_figures(&mut out, picture);
    }
    if !figures.loads.is_empty() {
        load_figures(&mut out, figures.loads);
        fleet_figures(&mut out, figures.loads);
    }
    out.0
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.0
            .push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            self.0.push(if number == 0 { '{' } else { ',' });
            self.0.push_str(&format!("{label}=\"{}\"", escaped(text)));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.0.push_str(&format!(" {value}\n"));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn process_figures(out: &mut Page, process: ProcessFigures) {
    // Under the names that every exporter gives them, so that dashboards know them.
    let name = "process_resident_memory_bytes";
    out.family(name, Kind::Gauge, "Resident memory of the process.");
    out.sample(name, &[], process.resident_bytes as f64);
    let name = "process_cpu_seconds_total";
    out.family(
        name,
        Kind::Counter,
        "Time of processors that the process used.",
    );
    out.sample(name, &[], process.cpu_seconds);
    let name = "process_start_time_seconds";
    out.family(
        name,
        Kind::Gauge,
        "When the process began, in seconds since 1970.",
    );
    out.sample(name, &[], process.start_seconds);
}

type OfPhase = fn(&PhasePicture) -> Option<f64>;

fn run_figures(out: &mut Page, picture: &Picture) {
    let name = "mig_run_info";
    out.family(name, Kind::Gauge, "The plan that is applied, always 1.");
    let digest = picture.plan_digest.as_str();
    out.sample(name, &[("plan", &picture.plan), ("digest", digest)], 1.0);
    let name = "mig_run_start_time_seconds";
    out.family(
        name,
        Kind::Gauge,
        "When the run began, in seconds since 1970.",
    );
    out.sample(name, &[], picture.began.as_millisecond() as f64 / 1000.0);
    let name = "mig_phase_state";
    out.family(
        name,
        Kind::Gauge,
        "1 for the state that a phase is in, 0 for the others.",
    );
    for phase in &picture.phases {
        for state in PhaseState::ALL {
            let labels = [
                ("phase", phase.address.as_str()),
                ("kind", phase.kind.as_str()),
                ("state", state.word()),
            ];
            out.sample(name, &labels, f64::from(u8::from(phase.state == state)));
        }
    }
    let told: [(&str, &str, OfPhase); 3] = [
        (
            "mig_phase_done",
            "How much of a phase is done over all runs, in what the label `unit` says.",
            |phase| Some(phase.progress.as_ref()?.done as f64),
        ),
        (
            "mig_phase_size",
            "How much a phase has to do in all, in what the label `unit` says.",
            |phase| Some(phase.progress.as_ref()?.total as f64),
        ),
        (
            "mig_phase_failed",
            "How much of a phase failed over all runs, in what the label `unit` says.",
            |phase| Some(phase.progress.as_ref()?.failed as f64),
        ),
    ];
    for (name, help, value) in told {
        out.family(name, Kind::Gauge, help);
        for phase in &picture.phases {
            if let Some(value) = value(phase) {
                let unit = phase.progress.as_ref().map_or("", |it| it.unit.as_str());
                out.sample(
                    name,
                    &[("phase", phase.address.as_str()), ("unit", unit)],
                    value,
                );
            }
        }
    }
    let name = "mig_phase_run_seconds";
    out.family(
        name,
        Kind::Gauge,
        "How long a phase that ended ran in this run.",
    );
    for phase in &picture.phases {
        if let Some(seconds) = phase.seconds {
            out.sample(name, &[("phase", phase.address.as_str())], seconds);
        }
    }
}

type OfLoad = fn(&Measured) -> f64;

/// Figures of a load without further labels.
const OF_LOADS: &[(&str, Kind, &str, OfLoad)] = &[
    (
        "mig_backfill_documents_sent_total",
        Kind::Counter,
        "Documents in requests to the target, each time that they were sent.",
        |it| it.docs_sent as f64,
    ),
    (
        "mig_backfill_documents_sent_again_total",
        Kind::Counter,
        "Documents that were sent once more, because the target could not take them before.",
        |it| it.docs_again as f64,
    ),
    (
        "mig_backfill_documents_rejected_total",
        Kind::Counter,
        "Documents that the target could not take at the moment, within requests that it answered.",
        |it| it.docs_rejected as f64,
    ),
    (
        "mig_backfill_sent_bytes_total",
        Kind::Counter,
        "Bytes of requests before any compression, each time that they were sent.",
        |it| it.bytes_sent as f64,
    ),
    (
        "mig_backfill_sent_wire_bytes_total",
        Kind::Counter,
        "Bytes of requests as they went out.",
        |it| it.wire_bytes as f64,
    ),
    (
        "mig_backfill_requests_sent_total",
        Kind::Counter,
        "Requests with documents.",
        |it| it.requests as f64,
    ),
    (
        "mig_backfill_requests_sent_again_total",
        Kind::Counter,
        "Requests with documents that were sent before.",
        |it| it.requests_again as f64,
    ),
    (
        "mig_backfill_requests_throttled_total",
        Kind::Counter,
        "Requests that were answered 429 as a whole.",
        |it| it.throttled as f64,
    ),
    (
        "mig_backfill_requests_blocked_total",
        Kind::Counter,
        "Requests that were answered by a block of writes.",
        |it| it.blocked as f64,
    ),
    (
        "mig_backfill_requests_in_flight",
        Kind::Gauge,
        "Requests that are on their way.",
        |it| it.in_flight.into(),
    ),
    (
        "mig_backfill_requests_in_flight_limit",
        Kind::Gauge,
        "Requests that may be on their way, by what the target answers and the plan allows.",
        |it| it.in_flight_most.into(),
    ),
    (
        "mig_backfill_in_flight_bytes",
        Kind::Gauge,
        "Bytes of the requests that are on their way.",
        |it| it.bytes_in_flight as f64,
    ),
    (
        "mig_backfill_batch_limit_bytes",
        Kind::Gauge,
        "Bytes of the next request at most.",
        |it| it.batch_bytes as f64,
    ),
    (
        "mig_backfill_workers",
        Kind::Gauge,
        "Workers of this process that are at work.",
        |it| it.workers.into(),
    ),
    (
        "mig_backfill_workers_desired",
        Kind::Gauge,
        "Workers that are wanted of this process.",
        |it| it.workers_wanted.into(),
    ),
];

type OfFleet = fn(&Counted, &Gauges, u32) -> f64;

/// What the board tells of a whole fleet, itself included: of processes that are there, and of those that are gone.
const OF_FLEETS: &[(&str, Kind, &str, OfFleet)] = &[
    (
        "mig_fleet_processes",
        Kind::Gauge,
        "Processes of a load that are there, as the one that leads it hears of them on the board every few seconds.",
        |_, _, others| f64::from(others) + 1.0,
    ),
    (
        "mig_fleet_workers",
        Kind::Gauge,
        "Their workers that are at work.",
        |_, now, _| now.workers.into(),
    ),
    (
        "mig_fleet_requests_in_flight",
        Kind::Gauge,
        "Their requests that are on their way.",
        |_, now, _| now.in_flight.into(),
    ),
    (
        "mig_fleet_requests_sent_total",
        Kind::Counter,
        "Requests with documents of all processes that ever worked on the load. Not to be added to mig_backfill_requests_sent_total, \
         which each process tells of itself.",
        |all, _, _| all.requests as f64,
    ),
    (
        "mig_fleet_requests_throttled_total",
        Kind::Counter,
        "Of them, those that were answered 429 as a whole.",
        |all, _, _| all.throttled as f64,
    ),
    (
        "mig_fleet_requests_unanswered_total",
        Kind::Counter,
        "Of them, those that got no answer: a connection failed, nobody was there, or it took too long.",
        |all, _, _| all.lost as f64,
    ),
    (
        "mig_fleet_documents_sent_total",
        Kind::Counter,
        "Documents in them, each time that they were sent.",
        |all, _, _| all.docs_sent as f64,
    ),
    (
        "mig_fleet_documents_sent_again_total",
        Kind::Counter,
        "Documents that were sent once more.",
        |all, _, _| all.docs_again as f64,
    ),
    (
        "mig_fleet_documents_rejected_total",
        Kind::Counter,
        "Documents that the target could not take at the moment, within requests that it answered.",
        |all, _, _| all.docs_rejected as f64,
    ),
    (
        "mig_fleet_sent_bytes_total",
        Kind::Counter,
        "Bytes of requests before any compression.",
        |all, _, _| all.bytes as f64,
    ),
    (
        "mig_fleet_sent_wire_bytes_total",
        Kind::Counter,
        "Bytes of requests as they went out.",
        |all, _, _| all.wire_bytes as f64,
    ),
];

fn fleet_figures(out: &mut Page, loads: &BTreeMap<Address, Measured>) {
    let led = || loads.iter().filter(|(_, load)| load.others.heard);
    if led().next().is_none() {
        return;
    }
    for (name, kind, help, value) in OF_FLEETS {
        out.family(name, *kind, help);
        for (phase, load) in led() {
            let (all, now) = load.fleet();
            let value = value(&all, &now, load.others.processes);
            out.sample(name, &[("phase", phase.as_str())], value);
        }
    }
    let name = "mig_fleet_request_duration_seconds";
    let help = "How long requests of all processes took.";
    latency(
        out,
        name,
        help,
        led().map(|(phase, load)| (phase, load.fleet().0.latency)),
    );
}

type OfIndex = fn(&IndexCounts) -> u64;

/// What became of documents, by the label `outcome`.
const OUTCOMES: &[(&str, OfIndex)] = &[
    ("written", |it| it.written),
    ("newer-present", |it| it.newer_present),
    ("left-out", |it| it.left_out),
    ("failed", |it| it.failed),
];

fn load_figures(out: &mut Page, loads: &BTreeMap<Address, Measured>) {
    for (name, kind, help, value) in OF_LOADS {
        out.family(name, *kind, help);
        for (phase, load) in loads {
            out.sample(name, &[("phase", phase.as_str())], value(load));
        }
    }
    let name = "mig_backfill_documents_total";
    let help = "Documents that are settled and noted, by index and by what became of them: written, newer-present on the \
                target, left-out by the plan, failed.";
    out.family(name, Kind::Counter, help);
    each_index(loads, |phase, index, counts| {
        for (outcome, value) in OUTCOMES {
            let labels = [("phase", phase), ("index", index), ("outcome", outcome)];
            out.sample(name, &labels, value(counts) as f64);
        }
    });
    let name = "mig_backfill_documents_read_total";
    out.family(
        name,
        Kind::Counter,
        "Documents that were read for an index and are settled.",
    );
    each_index(loads, |phase, index, counts| {
        let labels = [("phase", phase), ("index", index)];
        out.sample(name, &labels, counts.delivered as f64);
    });
    let name = "mig_backfill_read_bytes_total";
    out.family(
        name,
        Kind::Counter,
        "Bytes of the snapshot that were read for them.",
    );
    each_index(loads, |phase, index, counts| {
        let labels = [("phase", phase), ("index", index)];
        out.sample(name, &labels, counts.bytes_read as f64);
    });
    let name = "mig_backfill_documents_failed_total";
    out.family(
        name,
        Kind::Counter,
        "Documents that failed, by class of the failure.",
    );
    for (phase, load) in loads {
        for (class, count) in &load.failed_by_class {
            let labels = [("phase", phase.as_str()), ("class", class.as_str())];
            out.sample(name, &labels, *count as f64);
        }
    }
    let name = "mig_backfill_items";
    let help = "Work items of the indices whose turn it is: open (nobody has them, or another process), held by workers of \
                this process, done by whomever, set-aside since they can't be done now.";
    out.family(name, Kind::Gauge, help);
    for (phase, load) in loads {
        let items = load.items;
        let states = [
            ("open", items.open),
            ("held", items.held),
            ("done", items.done),
            ("set-aside", items.set_aside),
        ];
        for (state, count) in states {
            out.sample(
                name,
                &[("phase", phase.as_str()), ("state", state)],
                count as f64,
            );
        }
    }
    let name = "mig_backfill_requests_total";
    let help = "Requests with documents by what came of them: taken, rejected wholly or in part, lost on the way, away (nobody \
                took it), too-large. Those that met a block of writes are counted apart.";
    out.family(name, Kind::Counter, help);
    for (phase, load) in loads {
        for (outcome, count) in &load.answers {
            let labels = [("phase", phase.as_str()), ("outcome", *outcome)];
            out.sample(name, &labels, *count as f64);
        }
    }
    let name = "mig_backfill_request_duration_seconds";
    let help =
        "How long requests with documents took, from the first byte sent to the last one answered.";
    latency(
        out,
        name,
        help,
        loads.iter().map(|(phase, load)| (phase, load.latency)),
    );
}

fn each_index(loads: &BTreeMap<Address, Measured>, mut each: impl FnMut(&str, &str, &IndexCounts)) {
    for (phase, load) in loads {
        for (index, counts) in &load.indices {
            each(phase.as_str(), index, counts);
        }
    }
}

fn latency<'a>(
    out: &mut Page,
    name: &str,
    help: &str,
    loads: impl Iterator<Item = (&'a Address, Latency)>,
) {
    out.family(name, Kind::Histogram, help);
    for (phase, latency) in loads {
        let phase = ("phase", phase.as_str());
        let mut below = 0;
        for (number, count) in latency.buckets.iter().enumerate() {
            below += count;
            let bound = limits::LATENCY_MS.get(number);
            let bound = bound.map_or("+Inf".to_owned(), |ms| (*ms as f64 / 1000.0).to_string());
            out.sample(
                &format!("{name}_bucket"),
                &[phase, ("le", &bound)],
                below as f64,
            );
        }
        let seconds = latency.micros as f64 / 1e6;
        out.sample(&format!("{name}_sum"), &[phase], seconds);
        out.sample(&format!("{name}_count"), &[phase], below as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Fingerprint;
    use crate::plan::model::PhaseKindName;
    use jiff::Timestamp;

    #[test]
    fn a_page_is_as_prometheus_reads_it() {
        let phases = [(Address::new("docs"), PhaseKindName::Backfill, false)];
        let digest = Fingerprint::of(&"logs");
        let zero = Timestamp::UNIX_EPOCH;
        let picture = Picture::new("lo\"gs\\\n", digest, zero, phases.into_iter());
        let mut load = Measured {
            docs_sent: 12,
            answers: vec![("taken", 2)],
            ..Measured::default()
        };
        load.latency.buckets[1] = 2;
        load.latency.micros = 15_000;
        let counts = IndexCounts {
            written: 11,
            failed: 1,
            ..IndexCounts::default()
        };
        load.indices.insert("logs-1".into(), counts);
        load.failed_by_class
            .insert("mapper_parsing_exception".into(), 1);
        load.requests = 2;
        load.others.heard = true;
        load.others.processes = 1;
        load.others.figures.requests = 5;
        let loads = BTreeMap::from([(Address::new("docs"), load)]);
        let process = ProcessFigures {
            resident_bytes: 1 << 20,
            cpu_seconds: 1.5,
            start_seconds: 1e9,
        };
        insta::assert_snapshot!(page(&Figures {
            version: "0.1.0",
            command: "apply",
            process: Some(process),
            picture: Some(&picture),
            loads: &loads,
        }));
    }
}
