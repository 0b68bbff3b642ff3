//! What wasmtime generates from `wit/`, and the conversions between that and the shapes of [`backup_contract`]. Nothing outside this module and `imported` names a generated type; a second version of the contract gets
//! a second module beside this one.

mod convert;

/// Stands for a `pending` in the guest's handle table; the request itself is in `imported::handles`.
pub struct PendingHandle;
/// Stands for a `response`.
pub struct ResponseHandle;
/// Stands for a `snapshot`.
pub struct SnapshotHandle;

#[allow(missing_docs)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "backup:connector/http.pending": super::PendingHandle,
            "backup:connector/http.response": super::ResponseHandle,
            "backup:connector/storage.snapshot": super::SnapshotHandle,
        },
    });
}

pub use generated::backup::connector::{clock, http, job, log, report, storage, types};
pub use generated::exports::backup::connector::connector;
pub use generated::{Plugin, PluginPre};
