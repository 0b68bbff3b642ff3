//! Documents, which Salesforce creates together with the first version of a file: after that one is written, the document's Id is
//! asked for, so that later versions and links can name it.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Host};
use crate::org::SendFailure;
use crate::restore::rules::BROUGHT;
use crate::restore::run::Run;
use crate::restore::state::job::WaitFor;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::Pages;
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::soql::literal;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Versions of one query.
const VERSIONS: usize = 400;

/// Documents that one request asks for.
pub(in crate::restore) const DOCUMENTS_A_REQUEST: u64 = (VERSIONS * COMPOSITE_QUERIES) as u64;

/// One that came to be: its key in the snapshot, and the Id of the version in the target.
type Begun = (String, String);

impl<H: Host> Run<'_, '_, H> {
    /// Asks for the Ids of all documents that came to be.
    pub(in crate::restore) fn find_documents(&mut self) -> Step {
        let begun = self.begun()?;
        for some in begun.chunks(VERSIONS * COMPOSITE_QUERIES) {
            if self.must_end() {
                return Err(Halt::Call);
            }
            if self.host().requests_left() == 0 {
                return Err(SendFailure::AllowanceSpent.into());
            }
            self.ask_for_documents(some)?;
            self.save()?;
        }
        Ok(())
    }

    fn begun(&mut self) -> Result<Vec<Begun>, ConnectorError> {
        let mut begun = Vec::new();
        let mut pages = Pages::default();
        while let Some(some) = pages.next(&mut self.records, BROUGHT.2)? {
            let some = some.into_iter().filter(|(_, entry)| entry.what == RecordState::AwaitingId);
            begun.extend(some.filter_map(|(key, entry)| Some((key, entry.id?))));
        }
        Ok(begun)
    }

    fn ask_for_documents(&mut self, begun: &[Begun]) -> Step {
        #[derive(Deserialize)]
        struct Page {
            records: Vec<Version>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Version {
            id: String,
            content_document_id: Option<String>,
        }
        let (version, field, document) = BROUGHT;
        let query = |some: &[Begun]| {
            let ids: Vec<String> = some.iter().map(|(_, id)| literal(id)).collect();
            format!("SELECT Id,{field} FROM {version} WHERE Id IN ({})", ids.join(","))
        };
        let parts = self.ask_queries(begun.chunks(VERSIONS).map(query))?;
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for part in &parts {
            // Where they can't be asked for, what needs them is told in the end.
            let Ok(page) = part.read::<Page>() else { continue };
            let known = page
                .records
                .into_iter()
                .filter_map(|record| Some((record.id, record.content_document_id?)));
            found.extend(known);
        }
        for (key, version) in begun {
            let Some(id) = found.get(version) else { continue };
            let entry = RecordEntry::new(RecordState::Created).with_id(Some(id.clone()));
            self.records.set(document, key, entry)?;
            self.records.map(document, key, id)?;
            self.job.tally(document).created += 1;
            self.job.looked_for.clear();
            // What waited for it, and what waits for that, may come as everything does.
            self.job.wait_for = WaitFor::default();
            self.one_less(document);
        }
        Ok(())
    }
}
