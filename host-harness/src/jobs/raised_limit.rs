//! The usage limit while a restore runs. The rule: it goes back with the restore's end, and by itself where the restore dies.

use super::error::JobError;
use super::session::Session;
use backup_store::Percent;
use backup_store::journal::Until;
use std::time::Duration;

/// A limit that is raised for a restore goes back by then, should the restore die.
const LONGEST_RAISE: Duration = Duration::from_secs(24 * 3_600);

/// Raises the usage limit for as long as this restore runs, where that was asked for.
pub(super) async fn raise_limit(session: &Session, to: Option<Percent>) -> Result<(), JobError> {
    let Some(to) = to else { return Ok(()) };
    let now = session.parts.clock.now();
    let mut journal = session.journal.lock().await;
    if journal.state().usage_limit(now) < to {
        let until = Until::RestoreEnded(now.after(LONGEST_RAISE));
        journal.set_usage_limit(&session.actor, to, Some(until), now).await?;
    }
    Ok(())
}

/// Sets it back, where it is still raised for a restore.
pub(super) async fn lower_limit(session: &Session) -> Result<(), JobError> {
    let now = session.parts.clock.now();
    let mut journal = session.journal.lock().await;
    journal.note_limit_gone_back(now).await?;
    let raised = journal.state().temporary_limit().map(|temporary| temporary.until);
    if matches!(raised, Some(Until::RestoreEnded(_))) {
        let lasting = journal.state().lasting_limit();
        journal.set_usage_limit(&session.actor, lasting, None, now).await?;
    }
    Ok(())
}
