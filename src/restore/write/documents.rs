//! Documents, which Salesforce creates together with the first version of a file: after that one is written, the document's Id is
//! asked for, so that later versions and links can name it.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Host};
use crate::org::SendFailure;
use crate::restore::limits::VERSIONS_A_QUERY;
use crate::restore::rules::{Companion, FILE_DOCUMENT};
use crate::restore::state::job::WaitFor;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::Pages;
use crate::restore::write::Writer;
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::soql::literal;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One that came to be: its key in the snapshot, and the Id of the version in the target.
type Begun = (String, String);

impl<H: Host> Writer<'_, '_, '_, H> {
    /// Asks for the Ids of all documents that came to be.
    pub(in crate::restore) fn find_documents(&mut self) -> Step {
        let begun = self.begun()?;
        for chunk in begun.chunks(VERSIONS_A_QUERY * COMPOSITE_QUERIES) {
            if self.context.must_end() {
                return Err(Halt::Call);
            }
            if self.context.host().requests_left() == 0 {
                return Err(SendFailure::AllowanceSpent.into());
            }
            self.ask_for_documents(chunk)?;
            self.context.save()?;
        }
        Ok(())
    }

    fn begun(&mut self) -> Result<Vec<Begun>, ConnectorError> {
        let mut begun = Vec::new();
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&mut self.context.records, FILE_DOCUMENT.brings)? {
            let awaiting = page.into_iter().filter(|(_, entry)| entry.what == RecordState::AwaitingId);
            begun.extend(awaiting.filter_map(|(key, entry)| Some((key, entry.id?))));
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
        let Companion {
            of: version,
            field,
            brings: document,
        } = FILE_DOCUMENT;
        let query = |begun: &[Begun]| {
            let ids: Vec<String> = begun.iter().map(|(_, id)| literal(id)).collect();
            format!("SELECT Id,{field} FROM {version} WHERE Id IN ({})", ids.join(","))
        };
        let parts = self.context.ask_queries(begun.chunks(VERSIONS_A_QUERY).map(query))?;
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
            self.context.records.set(document, key, entry)?;
            self.context.records.map(document, key, id)?;
            self.context.job.object_mut(document).tally_mut().created += 1;
            self.context.job.look_for_created();
            // What waited for it, and what waits for that, may come as everything does.
            self.context.job.wait_for = WaitFor::default();
            self.context.one_less(document);
        }
        Ok(())
    }
}
