//! Taking writes back, for requests that are all or none.
//!
//! Rule: rolling back to a savepoint leaves every row as it was when the savepoint was made.

use rpds::RedBlackTreeMapSync;

use crate::org::{Org, table::StoredRow};

/// What was written of every object when the savepoint was made.
#[derive(Debug)]
pub struct Savepoint(Vec<(u64, RedBlackTreeMapSync<u64, StoredRow>)>);

impl Org {
    /// Remembers the rows as they are. Costs next to nothing: what was written is shared until it changes.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(
            self.objects
                .iter()
                .map(|o| (o.table.created, o.table.stored.clone()))
                .collect(),
        )
    }

    /// Makes the rows what they were.
    pub fn roll_back(&mut self, to: Savepoint) {
        for (object, (created, stored)) in self.objects.iter_mut().zip(to.0) {
            object.table.created = created;
            object.table.stored = stored;
        }
    }
}
