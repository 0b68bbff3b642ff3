//! What an org should be like: the seed, and which objects with how many rows. Presets for the sizes that tests need.

use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::org::generate::preset;

/// The language of an org's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "languages need no explanation")]
pub enum Language {
    #[default]
    English,
    German,
    Japanese,
}

/// One object of the org to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSpec {
    /// API name. Known standard objects get their own fields; others are made by their ending (`__c`, `__mdt`, `__b`, `__x`, `__e`, `History`, …).
    pub name: String,
    /// Rows, those in the bin and archived ones included.
    pub rows: u64,
    /// Custom fields on top of the ordinary ones: 500 make a wide object of about 15 KB a row.
    pub extra_fields: usize,
    /// So many rows in turn share one SystemModstamp, as a bulk load leaves them. 1: none does.
    pub rows_per_stamp: u64,
}

/// What to make an org from. Equal specs make equal orgs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgSpec {
    /// Everything random comes from it.
    pub seed: u64,
    /// The moment at which the org is looked at; all generated rows are older.
    pub now: DateTime<Utc>,
    /// Language of messages.
    pub language: Language,
    /// Objects, in the order of describe global.
    pub objects: Vec<ObjectSpec>,
}

/// A preset, or a part of a spec's text, that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no org: write a preset (tiny, small, real, wide, million) and then overrides like `Account=5000`, separated by commas"
)]
pub struct UnknownPreset(pub String);

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

    /// Sets the number of rows of an object, and adds the object where it is missing.
    #[must_use]
    pub fn with_rows(mut self, name: &str, rows: u64) -> OrgSpec {
        self.entry(name).rows = rows;
        self
    }

    /// Gives an object so many custom fields more.
    #[must_use]
    pub fn with_extra_fields(mut self, name: &str, fields: usize) -> OrgSpec {
        self.entry(name).extra_fields = fields;
        self
    }

    /// Lets so many rows in turn share one SystemModstamp.
    #[must_use]
    pub fn with_rows_per_stamp(mut self, name: &str, rows: u64) -> OrgSpec {
        self.entry(name).rows_per_stamp = rows.max(1);
        self
    }

    /// Sets the language of messages.
    #[must_use]
    pub fn in_language(mut self, language: Language) -> OrgSpec {
        self.language = language;
        self
    }

    /// Takes an object out.
    #[must_use]
    pub fn without(mut self, name: &str) -> OrgSpec {
        self.objects.retain(|o| !o.name.eq_ignore_ascii_case(name));
        self
    }

    /// Rows in all.
    pub fn total_rows(&self) -> u64 {
        self.objects.iter().map(|o| o.rows).sum()
    }

    fn entry(&mut self, name: &str) -> &mut ObjectSpec {
        let at = self
            .objects
            .iter()
            .position(|o| o.name.eq_ignore_ascii_case(name))
            .unwrap_or_else(|| {
                self.objects.push(ObjectSpec {
                    name: name.to_owned(),
                    rows: 0,
                    extra_fields: 0,
                    rows_per_stamp: 1,
                });
                self.objects.len() - 1
            });
        &mut self.objects[at]
    }

    /// Reads `preset[,Object=rows]…`.
    ///
    /// # Errors
    /// Names the part that can't be read.
    pub fn parse(text: &str, seed: u64) -> Result<OrgSpec, UnknownPreset> {
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let mut spec = match name {
            "tiny" => OrgSpec::tiny(seed),
            "small" => OrgSpec::small(seed),
            "real" => OrgSpec::real(seed),
            "wide" => OrgSpec::wide(seed),
            "million" => OrgSpec::million(seed),
            other => return Err(UnknownPreset(other.to_owned())),
        };
        for part in parts {
            let unknown = || UnknownPreset(part.to_owned());
            let (name, rows) = part.split_once('=').ok_or_else(unknown)?;
            spec = spec.with_rows(name, u64::from_str(rows).map_err(|_| unknown())?);
        }
        Ok(spec)
    }
}
