//! Interfaces `job`, `report`, `clock` and `log`, which never wait, and `types`, which has no functions.

use super::CallState;
use crate::bindings::{clock, job, log, report, types};
use crate::error::SandboxLimitExceeded;
use crate::imports::Report;
use backup_contract::NamedValue;
use wasmtime::Result as Trappable;

impl types::Host for CallState {}

impl job::Host for CallState {
    async fn configuration(&mut self) -> Trappable<String> {
        Ok(self.imports("job.configuration")?.job.configuration())
    }

    async fn usage_limit(&mut self) -> Trappable<u8> {
        Ok(self.imports("job.usage-limit")?.job.usage_limit())
    }

    async fn requests_left(&mut self) -> Trappable<u32> {
        Ok(self.imports("job.requests-left")?.job.requests_left())
    }

    async fn ends_at(&mut self) -> Trappable<u64> {
        Ok(self.imports("job.ends-at")?.job.ends_at().0)
    }

    async fn scope_to_confirm(&mut self) -> Trappable<Option<String>> {
        Ok(self.imports("job.scope-to-confirm")?.job.scope_to_confirm())
    }

    async fn confirm_scope(&mut self, scope: String) -> Trappable<bool> {
        Ok(self.imports("job.confirm-scope")?.job.confirm_scope(&scope))
    }

    async fn should_stop(&mut self) -> Trappable<bool> {
        Ok(self.imports("job.should-stop")?.job.should_stop())
    }
}

impl CallState {
    /// Where the export may report; it has no answer that could carry a refusal, so it traps.
    fn report(&mut self, import: &'static str) -> Trappable<&mut dyn Report> {
        let export = self.export;
        let imports = self.imports(import)?;
        if !export.reports() {
            let export = export.name();
            return Err(SandboxLimitExceeded::NotPermitted { import, export }.into());
        }
        Ok(imports.report.as_mut())
    }
}

impl report::Host for CallState {
    async fn progress(&mut self, object: String, records: u64, total: Option<u64>) -> Trappable<()> {
        self.report("report.progress")?.progress(&object, records, total);
        Ok(())
    }

    async fn skipped(&mut self, object: String, why: types::Failure) -> Trappable<()> {
        self.report("report.skipped")?.skipped(&object, why.into());
        Ok(())
    }

    async fn failed(&mut self, object: String, why: types::Failure) -> Trappable<()> {
        self.report("report.failed")?.failed(&object, why.into());
        Ok(())
    }

    async fn part_failed(&mut self, object: String, part: String, why: types::Failure) -> Trappable<()> {
        self.report("report.part-failed")?.part_failed(&object, &part, why.into());
        Ok(())
    }

    async fn warning(&mut self, what: types::Failure) -> Trappable<()> {
        self.report("report.warning")?.warning(what.into());
        Ok(())
    }

    async fn uncounted(&mut self, object: String, what: String, expected: Option<u64>) -> Trappable<()> {
        self.report("report.uncounted")?.uncounted(&object, &what, expected);
        Ok(())
    }

    async fn remark(&mut self, object: String, what: types::Failure) -> Trappable<()> {
        self.report("report.remark")?.remark(&object, what.into());
        Ok(())
    }

    async fn finished(&mut self, object: String) -> Trappable<()> {
        self.report("report.finished")?.finished(&object);
        Ok(())
    }

    async fn estimate(&mut self, object: String, way: String, requests: u64, records: u64, bytes: u64) -> Trappable<()> {
        self.report("report.estimate")?
            .estimate(&object, &way, requests, records, bytes);
        Ok(())
    }

    async fn expected(&mut self, object: String, what: report::Tally) -> Trappable<()> {
        self.report("report.expected")?.expected(&object, what.into());
        Ok(())
    }

    async fn restored(&mut self, object: String, what: report::Tally) -> Trappable<()> {
        self.report("report.restored")?.restored(&object, what.into());
        Ok(())
    }

    async fn record_outcome(
        &mut self,
        object: String,
        key: String,
        what: report::Outcome,
        why: types::Failure,
    ) -> Trappable<()> {
        self.report("report.record-outcome")?
            .record_outcome(&object, &key, what.into(), why.into());
        Ok(())
    }

    async fn needed(&mut self, requests: u64) -> Trappable<()> {
        self.report("report.needed")?.needed(requests);
        Ok(())
    }
}

impl clock::Host for CallState {
    async fn now(&mut self) -> Trappable<u64> {
        self.imports("clock.now")?;
        Ok(self.clock.now().0)
    }
}

impl log::Host for CallState {
    async fn write(&mut self, at: log::Level, message: String, fields: Vec<types::NamedValue>) -> Trappable<()> {
        let fields = fields.into_iter().map(NamedValue::from).collect();
        self.imports("log.write")?.log.write(at.into(), &message, fields);
        Ok(())
    }
}
