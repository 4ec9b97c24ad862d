//! `mig backfill limits`

use std::str::FromStr;

use serde_json::json;

use super::args::PhaseArgs;
use super::backfill_session::{self, Session};
use super::error::CliResult;
use super::printer::Printer;
use super::who::who;
use crate::base::ExitCode;
use crate::base::units::{ByteRate, CountRate};
use crate::phases::backfill::orders::{Orders, limits_of_plan};
use crate::ui::backfill_orders::limits_text;

/// Show the limits of a backfill, and change them while it runs
///
/// Each stands in the place of the plan's until `off` takes it back: then the plan's holds again. Processes that work take
/// it over within seconds.
#[derive(clap::Args, Debug)]
pub(super) struct BackfillLimitsCommand {
    #[command(flatten)]
    backfill: PhaseArgs,
    /// Documents a second of all processes together, such as `500/s`
    #[arg(long, value_name = "RATE|off")]
    docs: Option<Switch<CountRate>>,
    /// Bytes a second of all processes together, such as `20MiB/s`
    #[arg(long, value_name = "RATE|off")]
    bytes: Option<Switch<ByteRate>>,
    /// Batches that each process has on their way at once
    #[arg(long, value_name = "N|off")]
    in_flight: Option<Switch<InFlight>>,
    /// Processor use of the busiest data node of the target, percent, above which the load slows down
    #[arg(long, value_name = "PERCENT|off")]
    target_cpu: Option<Switch<Percent>>,
}

/// A value, or none.
#[derive(Clone, Copy, Debug)]
struct Switch<T>(Option<T>);

impl<T: FromStr> FromStr for Switch<T>
where
    T::Err: std::fmt::Display,
{
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let value = text.parse::<T>();
        value
            .map(|value| Self(Some(value)))
            .map_err(|error| format!("{error}, or `off`"))
    }
}

#[derive(Clone, Copy, Debug)]
struct InFlight(u32);

impl FromStr for InFlight {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = text.parse().ok().filter(|count| (1..=1024).contains(count));
        found
            .map(Self)
            .ok_or_else(|| "write a whole number from 1 to 1024".to_owned())
    }
}

#[derive(Clone, Copy, Debug)]
struct Percent(u8);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_suffix('%').unwrap_or(text);
        let found = digits.parse().ok().filter(|part| (1..=100).contains(part));
        found
            .map(Self)
            .ok_or_else(|| "write a whole number from 1 to 100".to_owned())
    }
}

pub(super) fn run(command: &BackfillLimitsCommand, printer: Printer) -> CliResult {
    let session = Session::open(&command.backfill, printer)?;
    let phase = session.one(command.backfill.phase.as_deref())?;
    let start = format!("mig backfill start{}", session.then(phase));
    let (plan, state) = (&session.loaded.plan, &session.state);
    let orders = Orders::open(plan, phase, state, &session.connections, &start)?;
    let changes = command.docs.is_some()
        || command.bytes.is_some()
        || command.in_flight.is_some()
        || command.target_cpu.is_some();
    let fleet = if changes {
        orders.change(&phase.address, &who(), |control| {
            let limits = &mut control.limits;
            if let Some(Switch(docs)) = command.docs {
                limits.docs = docs.map(|rate| rate.0);
            }
            if let Some(Switch(bytes)) = command.bytes {
                limits.bytes = bytes.map(|rate| rate.0);
            }
            if let Some(Switch(in_flight)) = command.in_flight {
                limits.in_flight = in_flight.map(|count| count.0);
            }
            if let Some(Switch(target_cpu)) = command.target_cpu {
                limits.target_cpu = target_cpu.map(|part| part.0);
            }
        })?
    } else {
        orders.fleet()?
    };
    let of_plan = limits_of_plan(phase)?;
    printer.data(&if command.backfill.json {
        backfill_session::json(&json!({
            "phase": phase.address,
            "plan": of_plan,
            "ordered": fleet.control.limits,
            "limits": of_plan.with(fleet.control.limits),
        }))?
    } else {
        limits_text(&phase.address, of_plan, fleet.control.limits, &fleet.muster)
    })?;
    Ok(ExitCode::Success)
}
