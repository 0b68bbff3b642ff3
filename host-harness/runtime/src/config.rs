//! The limits of connectors as one set of numbers. Each field says its unit and what happens beyond it; the defaults are those
//! of the contract where it names one.

use backup_contract::rules;
use backup_seams::{Clock, SystemClock};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// How a [`crate::Runtime`] limits what connectors may use.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Where `clock.now` and the wall clock of calls come from.
    pub clock: Arc<dyn Clock>,
    /// Bytes that one call may hold in linear memories and tables together. Growth beyond it is refused to the guest; where the
    /// guest then traps, the call ends as [`crate::CallError::MemoryExceeded`].
    pub memory_per_call: usize,
    /// Bytes that all calls together may hold. Admission is by memory: so many calls run at once as fit with
    /// [`RuntimeConfig::memory_per_call`] each (at least one), and the instance pool has room for exactly these.
    pub memory_for_guests: usize,
    /// How long a call waits to be admitted before it ends as [`crate::CallError::Unavailable`].
    pub admission_wait: Duration,
    /// How processor use of a call is counted and limited.
    pub processor: Processor,
    /// How long a call may take from its start, waiting included, by [`RuntimeConfig::clock`]. A virtual clock never ends a call
    /// by itself.
    pub wall_clock: Duration,
    /// Bytes that one import call may hand over, or an export's result hold, as the host has to keep them.
    pub host_call_data: usize,
    /// Handles (`pending`, `response`, `snapshot`) that a call may hold at one time.
    pub handles: usize,
    /// Bytes that one `response.read` or `read-blob` gives at most; 64 KiB or more. Asking for more gives this much.
    pub read: u32,
    /// Entries that one `snapshot.read`, `storage.keys` or `own-requests` gives at most. Asking for more gives so many.
    pub entries: u32,
    /// Bytes of keys and bodies that one `append` may carry; more is answered `too-large`.
    pub append: usize,
    /// Bytes of one note; more is answered `too-large`.
    pub note: usize,
    /// Bytes of one value; more is answered `too-large`.
    pub value: usize,
    /// Bytes of a checkpoint's data; a call that gives more ends as [`crate::CallError::CheckpointTooLarge`].
    pub checkpoint: usize,
    /// Folder where compiled components are kept between runs. It has to be one that nobody else can write to, since what it
    /// holds is run as native code. wasmtime tidies it from a thread of its own. `None` compiles at
    /// each load.
    pub compilation_cache: Option<PathBuf>,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        RuntimeConfig {
            clock: Arc::new(SystemClock),
            memory_per_call: 64 * MIB,
            memory_for_guests: 1024 * MIB,
            admission_wait: Duration::from_secs(600),
            processor: Processor::default(),
            wall_clock: Duration::from_secs(20 * 60),
            host_call_data: 16 * MIB,
            handles: 1_000,
            read: 256 * 1024,
            entries: 10_000,
            append: rules::MAX_APPEND_BYTES,
            note: rules::MAX_NOTE_BYTES,
            value: rules::MAX_VALUE_BYTES,
            checkpoint: rules::MAX_CHECKPOINT_BYTES,
            compilation_cache: None,
        }
    }
}

impl RuntimeConfig {
    /// Calls that may run at the same time, by memory.
    pub fn calls_at_once(&self) -> u32 {
        let calls = self.memory_for_guests / self.memory_per_call.max(1);
        u32::try_from(calls).unwrap_or(u32::MAX).clamp(1, 1_000)
    }
}

/// How processor use is counted. Either way a guest that only computes gives way to other tasks again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// A thread of the runtime's own ticks; a call's time is the ticks that fall into its polls, host code on its behalf
    /// included. Waiting counts nothing.
    Ticks {
        /// Time between ticks: the resolution of the count, and the longest a guest computes before it gives way.
        every: Duration,
        /// What one call may use.
        limit: Duration,
    },
    /// No thread and no time: instructions are counted, so that a run is the same each time. For simulation; code runs a
    /// quarter slower.
    Fuel {
        /// Units, about one an instruction, after which a guest gives way.
        every: u64,
        /// Units that one call may use.
        limit: u64,
    },
}

impl Default for Processor {
    fn default() -> Self {
        Processor::Ticks {
            every: Duration::from_millis(10),
            // A batch may take answers of a gigabyte apart, on a machine that is busy with other things.
            limit: Duration::from_secs(180),
        }
    }
}

impl fmt::Display for Processor {
    /// The limit, as errors name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Processor::Ticks { limit, .. } => write!(f, "{limit:?} of processor time"),
            Processor::Fuel { limit, .. } => write!(f, "{limit} units of fuel"),
        }
    }
}
