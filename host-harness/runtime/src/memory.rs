//! Counts the memory of one call: all linear memories and tables together, whatever number of them a component declares. The
//! rule: it remembers that it refused, so that the trap which usually follows is named for what it is.

use wasmtime::ResourceLimiter;

/// Bytes of one table element in the host.
const ELEMENT: usize = size_of::<usize>();

/// What one store holds.
#[derive(Debug)]
pub struct Memory {
    limit: usize,
    held: usize,
    last_growth: usize,
    peak: usize,
    refused: bool,
}

impl Memory {
    pub fn new(limit: usize) -> Self {
        Memory {
            limit,
            held: 0,
            last_growth: 0,
            peak: 0,
            refused: false,
        }
    }

    /// The most that was held at one time, bytes.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// Whether growth was refused.
    pub fn refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, by: usize) -> bool {
        let wanted = self.held.saturating_add(by);
        if wanted > self.limit {
            self.refused = true;
            return false;
        }
        self.held = wanted;
        self.last_growth = by;
        self.peak = self.peak.max(wanted);
        true
    }

    /// What was allowed last didn't come about.
    fn undo(&mut self) {
        self.held -= std::mem::take(&mut self.last_growth);
        self.refused = true;
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT)))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn memories_and_tables_are_one_sum() {
        let mut memory = Memory::new(1_000);
        assert!(memory.memory_growing(0, 400, None).unwrap());
        assert!(memory.memory_growing(0, 400, None).unwrap());
        assert!(memory.table_growing(0, 200 / ELEMENT, None).unwrap());
        assert!(!memory.refused());
        assert!(!memory.table_growing(200 / ELEMENT, 200 / ELEMENT + 1, None).unwrap());
        assert!(memory.refused());
        assert_eq!(memory.peak(), 1_000);
    }

    #[test]
    fn growth_that_failed_is_given_back() {
        let mut memory = Memory::new(1_000);
        assert!(memory.memory_growing(0, 900, None).unwrap());
        memory.memory_grow_failed(wasmtime::format_err!("no pages")).unwrap();
        assert!(memory.memory_growing(0, 900, None).unwrap());
    }
}
