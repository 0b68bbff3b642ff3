//! Loads connector components and runs their exports in a sandbox.

pub mod exports;
pub mod imports;
