//! Files: a version without a document brings one, and the link to its owner; a version with a document becomes its latest.

use crate::org::{
    Org, RecordId, Scan, Value, WriteError,
    write::{RowValues, Writing},
};

impl Org {
    /// What a version needs, and the document of a first one.
    pub(super) fn before_version(
        &mut self,
        by: &Writing<'_>,
        values: &mut RowValues,
        id: Option<RecordId>,
    ) -> Result<(), WriteError> {
        let looked = self.with_draft("ContentVersion", values, id, |draft| {
            let missing: Vec<&str> = ["VersionData", "PathOnClient"]
                .into_iter()
                .filter(|field| draft.get(field).is_null())
                .collect();
            let texts = ["Title", "PathOnClient"].map(|field| draft.get(field).to_plain());
            let title = texts.iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
            (
                missing,
                title,
                texts[1].clone(),
                draft.id("ContentDocumentId"),
                draft.get("OwnerId"),
            )
        });
        let Some((missing, title, path, document, owner)) = looked.filter(|_| id.is_none()) else {
            return Ok(());
        };
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            return Err(WriteError::new("REQUIRED_FIELD_MISSING", message, &missing));
        }
        let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
        let kind = file_type(extension.as_deref().unwrap_or_default());
        let mut give = |field, value| self.give("ContentVersion", values, field, value);
        give("Title", Value::text(title.clone()));
        give("FileType", Value::text(kind));
        give("FileExtension", Value::text(extension.unwrap_or_default()));
        give("IsLatest", Value::Bool(true));
        let number = document.map_or(1, |document| self.versions_of(document).len() + 1);
        self.give("ContentVersion", values, "VersionNumber", Value::text(number.to_string()));
        if document.is_none() {
            let fields = [
                ("Title", Value::text(title)),
                ("OwnerId", owner),
                ("FileType", Value::text(kind)),
            ];
            if let Some(document) = self.add_by_itself(by, "ContentDocument", &fields)? {
                self.give("ContentVersion", values, "ContentDocumentId", Value::Id(document));
            }
        }
        Ok(())
    }

    /// Links a first version's document, and moves what is the latest.
    pub(super) fn after_version(&mut self, by: &Writing<'_>, id: RecordId) -> Result<(), WriteError> {
        let Value::Id(document) = self.value_at(id, "ContentDocumentId") else {
            return Ok(());
        };
        let others: Vec<RecordId> = self.versions_of(document).into_iter().filter(|other| *other != id).collect();
        for other in &others {
            if self.value_at(*other, "IsLatest") == Value::Bool(true) {
                self.change_by_itself(by, *other, &[("IsLatest", Value::Bool(false))]);
            }
        }
        let latest = [
            ("LatestPublishedVersionId", Value::Id(id)),
            ("Title", self.value_at(id, "Title")),
        ];
        self.change_by_itself(by, document, &latest);
        if !others.is_empty() {
            return Ok(());
        }
        let owner = self.value_at(id, "OwnerId");
        let place = self.value_at(id, "FirstPublishLocationId");
        self.add_link(by, document, owner.clone(), "I")?;
        if !place.is_null() && place != owner {
            self.add_link(by, document, place, "V")?;
        }
        Ok(())
    }

    fn add_link(&mut self, by: &Writing<'_>, document: RecordId, to: Value, share: &str) -> Result<(), WriteError> {
        let fields = [
            ("ContentDocumentId", Value::Id(document)),
            ("LinkedEntityId", to),
            ("ShareType", Value::text(share)),
        ];
        self.add_by_itself(by, "ContentDocumentLink", &fields).map(|_| ())
    }

    /// A document is linked to a record once.
    pub(super) fn check_link(&self, values: &RowValues, id: Option<RecordId>) -> Result<(), WriteError> {
        if id.is_some() {
            return Ok(());
        }
        let ends = self.with_draft("ContentDocumentLink", values, None, |draft| {
            [draft.get("ContentDocumentId"), draft.get("LinkedEntityId")]
        });
        let Some([document, entity]) = ends else { return Ok(()) };
        let same = self.first_row("ContentDocumentLink", |row| {
            row.value_of("LinkedEntityId") == entity && row.value_of("ContentDocumentId") == document
        });
        match same {
            // Recorded: this object doesn't tell which record.
            Some(_) => {
                let message = "duplicate value found: <unknown> duplicates value on record with id: <unknown>";
                Err(WriteError::new("DUPLICATE_VALUE", message, &[]))
            }
            None => Ok(()),
        }
    }

    fn versions_of(&self, document: RecordId) -> Vec<RecordId> {
        let everybody = self.administrator();
        let Some(versions) = self.object("ContentVersion") else {
            return Vec::new();
        };
        let rows = versions.rows(&everybody, Scan::QUERY);
        rows.filter(|row| row.value_of("ContentDocumentId") == Value::Id(document))
            .map(|row| row.id())
            .collect()
    }
}

/// What Salesforce calls a file with this ending.
fn file_type(extension: &str) -> &'static str {
    match extension {
        "pdf" => "PDF",
        "png" => "PNG",
        "txt" => "TEXT",
        "docx" => "WORD_X",
        _ => "UNKNOWN",
    }
}
