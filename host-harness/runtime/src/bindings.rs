//! What wasmtime generates from `wit/`, and the conversions between that and the shapes of [`backup_contract`]. Nothing outside this module and `imported` names a generated type; a second version of the contract gets
//! a second module beside this one.

mod convert;

#[allow(missing_docs)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "backup:connector/http.pending": crate::handles::PendingHandle,
            "backup:connector/http.response": crate::handles::ResponseHandle,
            "backup:connector/storage.snapshot": crate::handles::SnapshotHandle,
        },
    });
}

pub use generated::backup::connector::{clock, http, job, log, report, storage, types};
pub use generated::exports::backup::connector::connector;
pub use generated::{Plugin, PluginPre};
