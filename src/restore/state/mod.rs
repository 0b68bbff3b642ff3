//! Where a restore stands, in values that are durable before a request is sent: the job, every record with the Id map, and what the
//! request under way will create.

pub mod intent;
pub mod job;
pub mod objects;
pub mod record;
pub mod records;
pub mod table;
mod v1;
