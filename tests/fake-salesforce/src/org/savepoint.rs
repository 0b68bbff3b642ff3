//! Taking writes back, for requests that are all or none.
//!
//! Rule: rolling back to a savepoint leaves every row as it was when the savepoint was made; Ids given since stay given, as in a real
//! org, so that nobody who kept one is ever led to another row.

use crate::org::{Org, table::Table};

/// Every object's rows as they were when the savepoint was made.
#[derive(Debug)]
pub struct Savepoint(pub(super) Vec<Table>);

impl Org {
    /// Remembers the rows as they are. Costs next to nothing: what was written is shared until it changes.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.objects.iter().map(|o| o.table.clone()).collect())
    }

    /// Makes the rows what they were.
    pub fn roll_back(&mut self, to: Savepoint) {
        for (object, table) in self.objects.iter_mut().zip(to.0) {
            object.table.roll_back(table);
        }
    }
}
