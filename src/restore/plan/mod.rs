//! The export `plan-restore`: which records, in which order, what will become of each, and what that costs.
//!
//! It goes from stage to stage ([`Stage`]); each may be cut at any request. Only what reads is sent: how objects are written, and
//! which of the records, and of those that they refer to, the target has. The rest is told by the snapshot.

mod names;
mod references;
mod rehearsal;
mod rehearse;
mod select;

use crate::halt::{Halt, Step};
use crate::host::{BatchResult, ConnectorError, Host, Next, Planned};
use crate::org::{Org, SendFailure};
use crate::restore::context::{Context, is_normal};
use crate::restore::settle::Settler;
use crate::restore::state::job::{Job, Selection, Stage};
use crate::restore::target::describe::Describer;
use crate::restore::target::lookup::Lookup;
use crate::restore::target::verify::Verifier;
use crate::values::key;
use crate::{BATCH_REQUESTS, STATE_VERSION};

/// Rows that one call goes through: some seconds.
const ROWS_A_CALL: usize = 40_000;

/// Rows that are asked of the snapshot at once.
const ROWS_AT_ONCE: u32 = 1_000;

/// Plans a restore. `runs`: it will be run; otherwise people only want to see what it would do.
pub fn plan_restore<H: Host>(host: &H, selection: Selection, runs: bool) -> Result<Planned, ConnectorError> {
    let org = Org::open(host)?;
    let space = if runs { key::RESTORE } else { key::DRY_RUN };
    // What an earlier restore may have created is found out while its records are still known.
    if runs && let Some(earlier) = Job::load(host, space)? {
        let mut context = Context::open(&org, space, earlier)?;
        if let Some(planned) = settle_first(&mut context)? {
            return Ok(planned);
        }
    }
    let job = match Job::load(host, space)? {
        Some(job) if job.selection == selection && job.stage != Stage::Done => job,
        _ => {
            Job::forget(host, space)?;
            Job {
                selection,
                ..Job::default()
            }
        }
    };
    let mut context = Context::open(&org, space, job)?;
    // What may be refused is told before; a run tries it.
    context.job.learnt.refuses_inactive |= !runs;
    context.job.learnt.refuses_values |= !runs;
    let mut budget = ROWS_A_CALL;
    while context.job.stage < Stage::Write {
        let mut planner = Planner::new(&mut context, budget);
        let planned = planner.plan_stage();
        budget = planner.budget;
        if let Err(Halt::Failed(error)) = planned {
            return Err(*error);
        }
        let busy = context.seconds_to_wait(planned.as_ref().err().and_then(Halt::send_failure));
        context.save()?;
        if let Some(seconds) = busy {
            return Ok(Planned::AgainAfter(seconds));
        }
        match planned {
            Ok(()) => {}
            Err(Halt::Call) => return Ok(Planned::More(1)),
            Err(Halt::Wait(seconds)) => return Ok(Planned::AgainAfter(seconds)),
            Err(Halt::Blocked(failure)) => return Ok(Planned::Blocked(*failure)),
            Err(Halt::Failed(error)) => return Err(*error),
            Err(Halt::Send(failure)) => match *failure {
                SendFailure::Host(error) => return Err(*error),
                failure @ SendFailure::Later => return Err(failure.into_error()),
                failure if is_normal(&failure) || context.got_somewhere => {
                    let (planning, all) = context.needed_at_most()?;
                    host.needed(all);
                    return Ok(Planned::More(u32::try_from(planning).unwrap_or(u32::MAX).min(BATCH_REQUESTS)));
                }
                failure => return Err(failure.into_error()),
            },
        }
    }
    context.tell_plan()?;
    if !runs {
        Job::forget(host, space)?;
    }
    // What people only looked at is planned again when it is run.
    let again = if runs { 0 } else { context.job.plan.asked };
    let needed = context.job.needed();
    host.needed(needed + again);
    let next = Next::Batch(u32::try_from(needed).unwrap_or(u32::MAX).min(BATCH_REQUESTS));
    Ok(Planned::Ready(BatchResult::new(
        STATE_VERSION,
        context.job.checkpoint()?,
        next,
    )))
}

/// Finds out what came of what an earlier restore sent. `Some`: planning goes on in another call.
fn settle_first<H: Host>(context: &mut Context<'_, '_, H>) -> Result<Option<Planned>, ConnectorError> {
    let settled = Settler::new(context).settle();
    if let Err(Halt::Failed(error)) = settled {
        return Err(*error);
    }
    let busy = match &settled {
        Err(Halt::Send(failure)) => context.seconds_to_wait(Some(failure)),
        _ => None,
    };
    context.save()?;
    Ok(match settled {
        Ok(()) => None,
        Err(Halt::Call) => Some(Planned::More(1)),
        Err(Halt::Wait(seconds)) => Some(Planned::AgainAfter(seconds)),
        Err(Halt::Blocked(failure)) => Some(Planned::Blocked(*failure)),
        Err(Halt::Failed(error)) => return Err(*error),
        Err(Halt::Send(_)) if busy.is_some() => busy.map(Planned::AgainAfter),
        Err(Halt::Send(failure)) if is_normal(&failure) => Some(Planned::More(1)),
        Err(Halt::Send(failure)) => return Err(failure.into_error()),
    })
}

/// Plans a restore.
struct Planner<'c, 'o, 'h, H: Host> {
    context: &'c mut Context<'o, 'h, H>,
    /// Rows that this call may still go through.
    budget: usize,
}

impl<'c, 'o, 'h, H: Host> Planner<'c, 'o, 'h, H> {
    fn new(context: &'c mut Context<'o, 'h, H>, budget: usize) -> Planner<'c, 'o, 'h, H> {
        Planner { context, budget }
    }

    /// Whether this call has gone through enough.
    fn must_end(&self) -> bool {
        self.budget == 0 || self.context.must_end()
    }

    /// So many rows were gone through.
    fn spend(&mut self, rows: usize) {
        self.budget = self.budget.saturating_sub(rows);
    }

    fn plan_stage(&mut self) -> Step {
        match self.context.job.stage {
            Stage::Select => self.select(),
            Stage::Relate => self.relate(),
            Stage::Describe => Describer::new(self.context).describe(),
            Stage::Refer => self.refer(),
            Stage::LookUp => Lookup::new(self.context).look_up(),
            Stage::Name => self.find_by_name(),
            Stage::Compare => Verifier::new(self.context).compare(),
            _ => self.rehearse(),
        }
    }
}
