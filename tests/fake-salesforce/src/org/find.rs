//! Finding rows by what they hold: by key for upserts and unique fields, by stamp for getUpdated and getDeleted.

use chrono::{DateTime, Utc};

use crate::org::{AmbiguousKey, FieldType, Org, OrgRow, RecordId, Scan, Value, Viewer};

impl Org {
    /// The live rows whose field has this value. At once for generated keys, else by a scan.
    pub fn rows_with_key(&self, viewer: &Viewer, object: &str, field: &str, value: &str) -> Vec<RecordId> {
        let Some(object) = self.visible_object(viewer, object) else {
            return Vec::new();
        };
        let Some((index, field)) = object.field(viewer, field) else {
            return Vec::new();
        };
        if field.kind == FieldType::Id {
            return value
                .parse()
                .ok()
                .and_then(|id| object.row(viewer, Scan::QUERY, id))
                .map(|row| row.id())
                .into_iter()
                .collect();
        }
        let wanted = Value::Text(value.to_owned());
        let has_it = |row: &OrgRow<'_>| {
            let own = row.value(index);
            match &own {
                Value::Number(_) => own.compare(&Value::Number(value.to_owned())) == Some(std::cmp::Ordering::Equal),
                own => own.compare(&wanted) == Some(std::cmp::Ordering::Equal),
            }
        };
        match field.shape.generated_key() {
            // Generated rows hold the key of their number; others are among the written ones.
            Some(prefix) => {
                let own = value
                    .get(prefix.len()..)
                    .filter(|_| value.to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase()));
                let ordinal = own
                    .and_then(|number| number.parse::<u64>().ok())
                    .filter(|ordinal| *ordinal < object.table.generated);
                let written = object.table.written_with_key(index, value).filter(|o| Some(*o) != ordinal);
                let candidates = ordinal.into_iter().chain(written);
                candidates
                    .filter_map(|ordinal| object.row_at(viewer, Scan::QUERY, ordinal))
                    .filter(has_it)
                    .map(|row| row.id())
                    .collect()
            }
            None => object.rows(viewer, Scan::QUERY).filter(has_it).map(|row| row.id()).collect(),
        }
    }

    /// The one live row with this key, to be upserted; none: create it.
    ///
    /// # Errors
    /// Where there are several.
    pub fn row_to_upsert(
        &self,
        viewer: &Viewer,
        object: &str,
        field: &str,
        value: &str,
    ) -> Result<Option<RecordId>, AmbiguousKey> {
        let mut rows = self.rows_with_key(viewer, object, field, value);
        if rows.len() > 1 {
            Err(AmbiguousKey(rows))
        } else {
            Ok(rows.pop())
        }
    }

    /// getUpdated: live rows whose SystemModstamp is in `[from, to)`.
    pub fn updated_between(&self, viewer: &Viewer, object: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<RecordId> {
        let Some(object) = self.visible_object(viewer, object) else {
            return Vec::new();
        };
        let scan = Scan {
            deleted: false,
            archived: true,
        };
        let touched = object.table.touched_since(from);
        let rows = touched.filter_map(|ordinal| object.row_at(viewer, scan, ordinal));
        rows.filter(|row| (from..to).contains(&row.system_modstamp()))
            .map(|row| row.id())
            .collect()
    }

    /// getDeleted: rows that went into the bin, or away for good, in `[from, to)`, and when.
    pub fn deleted_between(&self, object: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<(RecordId, DateTime<Utc>)> {
        let Some(object) = self.object(object) else {
            return Vec::new();
        };
        object.table.deleted_between(from, to)
    }
}
