//! Where tests keep what is theirs.

use std::path::Path;
use tempfile::TempDir;

/// The file system that Linux keeps in memory.
const IN_MEMORY: &str = "/dev/shm";

/// What it has to have room for, in KiB: containers often get 64 MiB.
const ROOM: u64 = 2 << 20;

/// A folder of one's own; in memory where there is room, since the store waits for the disk at each entry, and what is tested is not
/// the disk.
pub(crate) fn folder() -> TempDir {
    let in_memory = Path::new(IN_MEMORY);
    let folder = has_room().then(|| tempfile::tempdir_in(in_memory));
    match folder {
        Some(Ok(folder)) => folder,
        _ => tempfile::tempdir().unwrap(),
    }
}

/// Without a size among its options it is half of the machine's memory.
fn has_room() -> bool {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mount = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|mount| mount.get(1) == Some(&IN_MEMORY) && mount.get(2) == Some(&"tmpfs"));
    let Some(options) = mount.as_ref().and_then(|mount| mount.get(3)) else {
        return false;
    };
    let size = options
        .split(',')
        .find_map(|option| option.strip_prefix("size=")?.strip_suffix('k'));
    size.is_none_or(|size| size.parse::<u64>().is_ok_and(|size| size >= ROOM))
}
