//! What wit-bindgen makes of `wit/`. The shapes are those of [`backup_contract`]; only functions, resources and entries of values
//! are made up here.

wit_bindgen::generate!({
    path: "wit",
    world: "plugin",
    with: {
        "backup:connector/connector@0.1.0-alpha.1/backup-options": backup_contract::BackupOptions,
        "backup:connector/connector@0.1.0-alpha.1/batch-result": backup_contract::BatchResult,
        "backup:connector/connector@0.1.0-alpha.1/checked": backup_contract::Checked,
        "backup:connector/connector@0.1.0-alpha.1/description": backup_contract::Description,
        "backup:connector/connector@0.1.0-alpha.1/next": backup_contract::Next,
        "backup:connector/connector@0.1.0-alpha.1/object-key": backup_contract::ObjectKey,
        "backup:connector/connector@0.1.0-alpha.1/pause": backup_contract::Pause,
        "backup:connector/connector@0.1.0-alpha.1/planned": backup_contract::Planned,
        "backup:connector/connector@0.1.0-alpha.1/restore-selection": backup_contract::RestoreSelection,
        "backup:connector/connector@0.1.0-alpha.1/verdict": backup_contract::Verdict,
        "backup:connector/http@0.1.0-alpha.1/content": backup_contract::Content,
        "backup:connector/http@0.1.0-alpha.1/body": backup_contract::Body,
        "backup:connector/http@0.1.0-alpha.1/form-part": backup_contract::FormPart,
        "backup:connector/http@0.1.0-alpha.1/method": backup_contract::Method,
        "backup:connector/http@0.1.0-alpha.1/request": backup_contract::Request,
        "backup:connector/http@0.1.0-alpha.1/send-error": backup_contract::SendError,
        "backup:connector/log@0.1.0-alpha.1/level": backup_contract::Level,
        "backup:connector/report@0.1.0-alpha.1/outcome": backup_contract::RecordOutcome,
        "backup:connector/report@0.1.0-alpha.1/tally": backup_contract::Tally,
        "backup:connector/storage@0.1.0-alpha.1/held-blob": backup_contract::HeldBlob,
        "backup:connector/storage@0.1.0-alpha.1/hour": backup_contract::Hour,
        "backup:connector/storage@0.1.0-alpha.1/note": backup_contract::Note,
        "backup:connector/storage@0.1.0-alpha.1/row": backup_contract::Row,
        "backup:connector/storage@0.1.0-alpha.1/standing": backup_contract::Standing,
        "backup:connector/storage@0.1.0-alpha.1/storage-error": backup_contract::StorageError,
        "backup:connector/storage@0.1.0-alpha.1/tombstone": backup_contract::Tombstone,
        "backup:connector/storage@0.1.0-alpha.1/which": backup_contract::Which,
        "backup:connector/types@0.1.0-alpha.1/checkpoint": backup_contract::Checkpoint,
        "backup:connector/types@0.1.0-alpha.1/connector-error": backup_contract::ConnectorError,
        "backup:connector/types@0.1.0-alpha.1/failure": backup_contract::Failure,
        "backup:connector/types@0.1.0-alpha.1/named-value": backup_contract::NamedValue,
        "backup:connector/types@0.1.0-alpha.1/reading": backup_contract::Reading,
        "backup:connector/types@0.1.0-alpha.1/reading-source": backup_contract::ReadingSource,
    },
});
use super::Connector;
export!(Connector);
