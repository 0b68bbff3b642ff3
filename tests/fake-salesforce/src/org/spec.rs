//! What an org should be like: the seed, and which objects with how many rows.

use std::str::FromStr;

use chrono::{DateTime, Utc};

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
    /// Whether those have names of 60 characters, a package's prefix and a full name, instead of short ones: what it takes for
    /// one object's fields to need more than 100,000 characters of a query.
    pub long_names: bool,
    /// Formulas on top of all other fields.
    pub formulas: usize,
    /// So many rows in turn share one SystemModstamp, as a bulk load leaves them. 1: none does.
    pub rows_per_stamp: u64,
    /// The body of the object's first row has so many bytes; by dice otherwise.
    pub first_body: Option<u64>,
    /// So many rows are written when the org is made, through the checks of any write, beside those that are generated.
    pub written: u64,
    /// References on top of the ordinary ones.
    pub references: Vec<ReferenceSpec>,
    /// Whether it lacks the external ids that its kind has.
    pub without_key: bool,
}

/// A reference to be added to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceSpec {
    /// API name, ending in `__c`.
    pub field: String,
    /// The objects that it can refer to.
    pub to: Vec<String>,
    /// What it means.
    pub kind: ReferenceKind,
}

/// What a reference means for its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceKind {
    /// It may be empty.
    Optional,
    /// It has to be there, and the row is deleted with what it refers to.
    Required,
    /// Master-detail: the same, and it's chosen once.
    Master,
}

impl ObjectSpec {
    /// An object without rows and with nothing special.
    #[must_use]
    pub fn named(name: &str) -> ObjectSpec {
        ObjectSpec {
            name: name.to_owned(),
            rows: 0,
            extra_fields: 0,
            long_names: false,
            formulas: 0,
            rows_per_stamp: 1,
            first_body: None,
            written: 0,
            references: Vec::new(),
            without_key: false,
        }
    }
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
    /// Whether accounts can be people.
    pub person_accounts: bool,
    /// The two characters of every Id that tell the instance.
    pub instance: [u8; 2],
}

/// Makes a spec from a seed.
type Preset = fn(u64) -> OrgSpec;

/// Every preset by its name.
const PRESETS: [(&str, Preset); 11] = [
    ("tiny", OrgSpec::tiny),
    ("small", OrgSpec::small),
    ("real", OrgSpec::real),
    ("wide", OrgSpec::wide),
    ("widest", OrgSpec::widest),
    ("million", OrgSpec::million),
    ("files", OrgSpec::files),
    ("restore", OrgSpec::restore),
    ("bench-s", OrgSpec::bench_s),
    ("bench-m", OrgSpec::bench_m),
    ("bench-l", OrgSpec::bench_l),
];

/// A preset, or a part of a spec's text, that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no org: write a preset ({names}) and then overrides like `Account=5000` or `ContentVersion.body=2147483648`, separated by \
     commas", names = PRESETS.map(|(name, _)| name).join(", ")
)]
pub struct UnknownPreset(pub String);

impl OrgSpec {
    /// Sets the number of rows of an object, and adds the object where it is missing.
    #[must_use]
    pub fn with_rows(mut self, name: &str, rows: u64) -> OrgSpec {
        self.entry(name).rows = rows;
        self
    }

    /// Leaves no object more rows than so many. A backup of `small` with 300 takes as many requests as one of all its rows, and a third
    /// of the time.
    #[must_use]
    pub fn with_at_most(mut self, rows: u64) -> OrgSpec {
        for object in &mut self.objects {
            object.rows = object.rows.min(rows);
        }
        self
    }

    /// Lets so many rows of an object be written when the org is made, and adds the object where it is missing.
    #[must_use]
    pub fn with_written_rows(mut self, name: &str, rows: u64) -> OrgSpec {
        self.entry(name).written = rows;
        self
    }

    /// Gives an object a reference more.
    #[must_use]
    pub fn with_reference(mut self, name: &str, reference: ReferenceSpec) -> OrgSpec {
        self.entry(name).references.push(reference);
        self
    }

    /// Takes the external ids from an object.
    #[must_use]
    pub fn without_key(mut self, name: &str) -> OrgSpec {
        self.entry(name).without_key = true;
        self
    }

    /// Gives an object so many custom fields more.
    #[must_use]
    pub fn with_extra_fields(mut self, name: &str, fields: usize) -> OrgSpec {
        self.entry(name).extra_fields = fields;
        self
    }

    /// Gives the additional fields of an object names of 60 characters.
    #[must_use]
    pub fn with_long_names(mut self, name: &str) -> OrgSpec {
        self.entry(name).long_names = true;
        self
    }

    /// Gives an object so many formulas.
    #[must_use]
    pub fn with_formulas(mut self, name: &str, formulas: usize) -> OrgSpec {
        self.entry(name).formulas = formulas;
        self
    }

    /// Gives the first row of an object a body of so many bytes.
    #[must_use]
    pub fn with_first_body(mut self, name: &str, bytes: u64) -> OrgSpec {
        self.entry(name).first_body = Some(bytes);
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

    /// Puts the org on another instance: the same rows under other Ids. Two letters or digits.
    #[must_use]
    pub fn on_instance(mut self, instance: [u8; 2]) -> OrgSpec {
        self.instance = instance;
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
                self.objects.push(ObjectSpec::named(name));
                self.objects.len() - 1
            });
        &mut self.objects[at]
    }

    /// Reads `preset[,Object=rows][,Object.body=bytes]…`.
    ///
    /// # Errors
    /// Names the part that can't be read.
    pub fn parse(text: &str, seed: u64) -> Result<OrgSpec, UnknownPreset> {
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let preset = PRESETS.iter().find(|(known, _)| *known == name);
        let (_, make) = preset.ok_or_else(|| UnknownPreset(name.to_owned()))?;
        let mut spec = make(seed);
        for part in parts {
            let unknown = || UnknownPreset(part.to_owned());
            let (name, number) = part.split_once('=').ok_or_else(unknown)?;
            let number = u64::from_str(number).map_err(|_| unknown())?;
            spec = match name.strip_suffix(".body") {
                Some(name) => spec.with_first_body(name, number),
                None => spec.with_rows(name, number),
            };
        }
        Ok(spec)
    }
}
