//! The orgs that tests and benches name.

use crate::org::generate::{bench, preset, restore};
use crate::org::spec::OrgSpec;

impl OrgSpec {
    /// An org of these objects alone, plus those that every org has.
    pub fn of(seed: u64, objects: &[(&str, u64)]) -> OrgSpec {
        objects
            .iter()
            .fold(preset::base(seed), |spec, (name, rows)| spec.with_rows(name, *rows))
    }

    /// About ten objects and some hundred rows.
    pub fn tiny(seed: u64) -> OrgSpec {
        preset::tiny(seed)
    }

    /// About 40 objects and 20,000 rows.
    pub fn small(seed: u64) -> OrgSpec {
        preset::small(seed)
    }

    /// 406 objects in describe global, of which 61 refuse to be queried; about 60,000 rows, most objects small or empty.
    pub fn real(seed: u64) -> OrgSpec {
        preset::real(seed)
    }

    /// A few objects of over 500 fields, 10,000 rows each, about 15 KB a row.
    pub fn wide(seed: u64) -> OrgSpec {
        preset::wide(seed)
    }

    /// 60 objects and 1,000,000 rows.
    pub fn million(seed: u64) -> OrgSpec {
        preset::million(seed)
    }

    /// Three objects whose fields don't fit into one query, or into one page of full length: 800 fields with names of 60 characters;
    /// 1,700, whose names alone are longer than a query may be; 400 formulas, which are too complicated.
    pub fn widest(seed: u64) -> OrgSpec {
        bench::widest(seed)
    }

    /// 19 objects with some 420 files among them: attachments, documents, versions of files (every third has the bytes of others), and
    /// images in rich texts.
    pub fn files(seed: u64) -> OrgSpec {
        bench::files(seed)
    }

    /// About 40 objects and 400 rows, each seed another org: cycles and rings of references, polymorphic ones, required chains six deep,
    /// price books, campaigns, files, orders, and in every third org person accounts.
    pub fn restore(seed: u64) -> OrgSpec {
        restore::spec(seed)
    }

    /// 20 objects, 50,000 rows that a query sees.
    pub fn bench_s(seed: u64) -> OrgSpec {
        bench::small(seed)
    }

    /// 150 objects, 1,200,000 rows that a query sees; most objects are small, and all can be queried.
    pub fn bench_m(seed: u64) -> OrgSpec {
        bench::middle(seed)
    }

    /// 800 objects, 200 million rows that a query sees.
    pub fn bench_l(seed: u64) -> OrgSpec {
        bench::large(seed)
    }
}
