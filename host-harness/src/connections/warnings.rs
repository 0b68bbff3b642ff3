//! Codes of warnings: what hides data in a snapshot. A configuration accepts them by name.

/// The user doesn't see all records.
pub const VIEW_ALL_DATA_MISSING: &str = "view-all-data-missing";
/// The user doesn't see all files.
pub const QUERY_ALL_FILES_MISSING: &str = "query-all-files-missing";
/// Files are left for a later backup.
pub const FILES_DEFERRED: &str = "files-deferred";
/// Objects could not be read, or not to their end.
pub const OBJECTS_FAILED: &str = "objects-failed";
/// Files, or other parts of objects, could not be read.
pub const FILES_FAILED: &str = "files-failed";
/// What the backup would have gone on from is damaged.
pub const DAMAGED_BASE: &str = "damaged-base";

/// All of them.
pub const CODES: [&str; 6] = [
    VIEW_ALL_DATA_MISSING,
    QUERY_ALL_FILES_MISSING,
    FILES_DEFERRED,
    OBJECTS_FAILED,
    FILES_FAILED,
    DAMAGED_BASE,
];
