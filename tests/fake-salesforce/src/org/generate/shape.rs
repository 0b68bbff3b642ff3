//! How rows get the value of a field that nobody wrote: by dice for generated rows, from the row's other fields for computed ones.
//!
//! Rule kept here: a value is a function of the object's seed, the field and the row, so any cell can be computed alone, at any time,
//! with the same result.

use std::sync::Arc;

use chrono::{Days, NaiveDate, TimeDelta};

use crate::org::{
    field::{Field, FieldType},
    generate::{dice, words::Words},
    row::OrgRow,
    table::{Every, IdSpace},
    value::{Address, Blob, Value},
};

/// How rows get the value of a field that nobody wrote.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Percent of the generated rows that have a value.
    pub filled: u8,
    pub kind: Kind,
}

/// Rows that a reference can point to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReferenceTarget {
    pub ids: IdSpace,
    pub rows: u64,
    pub deleted: Option<Every>,
}

/// Where values come from. The first group tells of the row or computes, and holds for created rows too.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Id,
    IsDeleted,
    IsArchived,
    CreatedDate,
    LastModifiedDate,
    SystemModstamp,
    /// Texts of these fields, joined by spaces.
    Joined(Vec<String>),
    /// A formula: a number field times a hundred.
    Hundredfold(String),
    /// The fields `<prefix>Street`, `<prefix>City`…
    Address(String),
    /// The fields `<stem>__Latitude__s` and `<stem>__Longitude__s`.
    Place(String),
    /// Bytes of a base64 field.
    BodyLength(String),
    /// MD5 of a base64 field.
    BodyChecksum(String),
    /// `prefix` and the row's number.
    AutoNumber(String),
    /// Whether the user who looks has a permission.
    Permission,
    /// True in the first row that isn't in the bin from the start.
    FirstRow,

    /// The same in each row.
    Constant(Value),
    /// Row by row from a list.
    Listed(Arc<[Value]>),
    /// One of a list.
    OneOf(Arc<[Value]>),
    /// A key of another system: `prefix` and the row's number, never twice.
    Key(String),
    /// A row of one of these objects; filled in when the tables are known.
    Reference(Vec<ReferenceTarget>),
    /// An earlier row of the same object.
    Earlier,
    /// True in so many percent.
    Flag(u8),
    /// One of the picklist.
    Pick,
    /// Some of the picklist, joined by semicolons.
    Picks,
    /// HTML, in one of four rows with an image.
    RichText,
    Text(Words),
    /// An integer in a range.
    Integer(i64, i64),
    /// A number of up to so many digits before the point, with the field's scale, printed as Java prints doubles.
    Double(u32),
    /// All eighteen digits.
    EighteenDigits,
    Date,
    DateTime,
    Time,
    /// A body of so many bytes; of each three one is among a few that several rows have, where there are such. The first row's may be
    /// of its own length.
    Body {
        least: u64,
        most: u64,
        common: u64,
        first: Option<u64>,
    },
}

impl Shape {
    /// A shape that gives a value to every row.
    pub fn always(kind: Kind) -> Shape {
        Shape { filled: 100, kind }
    }

    /// The prefix of a key that counts with the rows.
    pub fn generated_key(&self) -> Option<&str> {
        match &self.kind {
            Kind::Key(prefix) if self.filled == 100 => Some(prefix),
            _ => None,
        }
    }

    pub fn value(&self, row: &OrgRow<'_>, index: usize, field: &Field) -> Value {
        if let Some(value) = self.kind.of_row(row, field) {
            return value;
        }
        let table = &row.object.table;
        let d = dice(dice(table.seed, index as u64), row.ordinal);
        if row.ordinal >= table.generated || dice(d, 0) % 100 >= u64::from(self.filled) {
            return if field.kind == FieldType::Boolean {
                Value::Bool(false)
            } else {
                Value::Null
            };
        }
        self.kind.by_dice(row, field, d)
    }
}

impl Shape {
    /// A value by other dice than the row's own; null where values aren't by dice.
    pub fn by_chance(&self, row: &OrgRow<'_>, field: &Field, dice: u64) -> Value {
        match self.kind.of_row(row, field) {
            Some(_) => Value::Null,
            None => self.kind.by_dice(row, field, dice),
        }
    }
}

impl Kind {
    fn of_row(&self, row: &OrgRow<'_>, field: &Field) -> Option<Value> {
        let table = &row.object.table;
        Some(match self {
            Kind::Id => Value::Id(row.id()),
            Kind::IsDeleted => Value::Bool(row.is_deleted()),
            Kind::IsArchived => Value::Bool(row.is_archived()),
            Kind::CreatedDate => Value::DateTime(table.stamps.created(row.ordinal)),
            Kind::LastModifiedDate => Value::DateTime(table.stamps.last_modified(row.ordinal)),
            Kind::SystemModstamp => Value::DateTime(row.system_modstamp()),
            Kind::Joined(names) => {
                let texts: Vec<String> = names
                    .iter()
                    .map(|name| row.value_of(name).to_plain())
                    .filter(|text| !text.is_empty())
                    .collect();
                Value::text(texts.join(" "))
            }
            Kind::Hundredfold(name) => match row.value_of(name) {
                Value::Number(digits) if digits.bytes().all(|b| b.is_ascii_digit()) && digits != "0" => {
                    Value::Number(format!("{digits}00"))
                }
                Value::Number(_) => Value::Number("0".into()),
                _ => Value::Null,
            },
            Kind::Address(prefix) => address(row, prefix),
            Kind::Place(stem) => match (
                row.value_of(&format!("{stem}__Latitude__s")),
                row.value_of(&format!("{stem}__Longitude__s")),
            ) {
                (Value::Number(latitude), Value::Number(longitude)) => Value::Location(latitude, longitude),
                _ => Value::Null,
            },
            Kind::BodyLength(name) => match row.value_of(name) {
                Value::Blob(body) => Value::Number(body.length().to_string()),
                _ => Value::Number("0".into()),
            },
            Kind::BodyChecksum(name) => match row.value_of(name) {
                Value::Blob(body) => Value::Text(body.md5()),
                _ => Value::Null,
            },
            Kind::AutoNumber(prefix) => Value::Text(format!("{prefix}{:08}", row.ordinal + 1)),
            Kind::FirstRow => Value::Bool(row.ordinal == table.first_live()),
            Kind::Permission => Value::Bool(row.viewer.permission(&field.name)),
            _ => return None,
        })
    }

    fn by_dice(&self, row: &OrgRow<'_>, field: &Field, d: u64) -> Value {
        let roll = dice(d, 1);
        match self {
            Kind::Constant(value) => value.clone(),
            Kind::Listed(values) => values.get(row.ordinal as usize).cloned().unwrap_or(Value::Null),
            Kind::OneOf(values) => roll
                .checked_rem(values.len() as u64)
                .map_or(Value::Null, |at| values[at as usize].clone()),
            Kind::Key(prefix) => Value::Text(format!("{prefix}{:08}", row.ordinal)),
            Kind::Reference(targets) => reference(targets, roll),
            Kind::Earlier => match row.ordinal {
                0 => Value::Null,
                ordinal => Value::Id(row.object.table.ids.id(roll % ordinal)),
            },
            Kind::Flag(percent) => Value::Bool(roll % 100 < u64::from(*percent)),
            Kind::Pick => pick(field, roll).map_or(Value::Null, |value| Value::Text(value.to_owned())),
            Kind::Picks => {
                let chosen: Vec<&str> = field
                    .picklist
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| roll >> i & 1 == 1)
                    .map(|(_, entry)| entry.value.as_str())
                    .collect();
                Value::text(chosen.join(";"))
            }
            Kind::Text(words) => Value::text(words.text(d, field.length)),
            Kind::RichText => {
                let text = Words::Html.text(d, field.length);
                let image = roll.is_multiple_of(4).then(|| crate::org::body::image_tag(row.id(), roll));
                Value::text(text + &image.unwrap_or_default())
            }
            Kind::Integer(low, high) => Value::Number((low + (roll % (high - low + 1).unsigned_abs()) as i64).to_string()),
            Kind::Double(places) => {
                let digits = 1 + roll % u64::from(places + field.scale);
                let bound = 10u64.pow(digits.min(18) as u32);
                let sign = if dice(d, 2).is_multiple_of(11) { "-" } else { "" };
                Value::Number(format!("{sign}{}", print_double(dice(d, 3) % bound, field.scale)))
            }
            Kind::EighteenDigits => Value::Number((100_000_000_000_000_000 + roll % 900_000_000_000_000_000).to_string()),
            Kind::Date => Value::Date(NaiveDate::default() + Days::new(9_000 + roll % 14_000)),
            Kind::DateTime => {
                let created = row.object.table.stamps.created(row.ordinal);
                Value::DateTime(created + TimeDelta::seconds((roll % 31_536_000) as i64))
            }
            Kind::Time => Value::Time((roll % 86_400) as u32 * 1000),
            Kind::Body {
                least,
                most,
                common,
                first,
            } => {
                let own = (d, roll);
                let (seed, roll) = match roll.checked_rem(3 * common) {
                    Some(place) if place < *common => (dice(place, 0), dice(place, 1)),
                    _ => own,
                };
                match first.filter(|_| row.ordinal == row.object.table.first_live()) {
                    Some(length) => Value::Blob(Blob::Generated { length, seed: own.0 }),
                    None => Value::Blob(Blob::Generated {
                        length: least + roll % (most - least + 1),
                        seed,
                    }),
                }
            }
            _ => Value::Null, // told by `of_row`
        }
    }
}

fn pick(field: &Field, roll: u64) -> Option<&str> {
    let at = roll.checked_rem(field.picklist.len() as u64)?;
    Some(&field.picklist[at as usize].value)
}

/// A live row of one of the targets. Low ordinals come more often: few parents have many children.
fn reference(targets: &[ReferenceTarget], roll: u64) -> Value {
    let populated = targets.iter().filter(|target| target.rows > 0);
    let Some(at) = (roll >> 40).checked_rem(populated.clone().count() as u64) else {
        return Value::Null;
    };
    let Some(target) = populated.clone().nth(at as usize) else {
        return Value::Null;
    };
    let any = dice(roll, 5) % target.rows;
    let ordinal = if roll.is_multiple_of(2) {
        any
    } else {
        dice(roll, 6) % (any + 1)
    };
    let in_bin = target.deleted.is_some_and(|every| every.takes(ordinal));
    let live = match ordinal {
        ordinal if !in_bin => ordinal,
        0 if target.rows > 1 => 1, // two neighbours are never both in the bin
        0 => 0,
        ordinal => ordinal - 1,
    };
    Value::Id(target.ids.id(live))
}

fn address(row: &OrgRow<'_>, prefix: &str) -> Value {
    let part = |name: &str| match row.value_of(&format!("{prefix}{name}")) {
        Value::Null => None,
        value => Some(value.to_plain()),
    };
    let address = Address {
        city: part("City"),
        country: part("Country"),
        geocode_accuracy: part("GeocodeAccuracy"),
        latitude: part("Latitude"),
        longitude: part("Longitude"),
        postal_code: part("PostalCode"),
        state: part("State"),
        street: part("Street"),
    };
    if address.is_empty() {
        Value::Null
    } else {
        Value::Address(Box::new(address))
    }
}

/// `unscaled` · 10^−`scale` as `Double.toString` prints it: plain between 10⁻³ and 10⁷, else with one digit before the point and an
/// exponent.
fn print_double(unscaled: u64, scale: u32) -> String {
    let digits = unscaled.to_string();
    let scale = scale as usize;
    let trimmed = digits.trim_end_matches('0');
    if trimmed.is_empty() {
        return "0.0".to_owned();
    }
    // The value is 0.DIGITS · 10^point.
    let point = digits.len() as i64 - scale as i64;
    if (-2..=7).contains(&point) {
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        let fraction = fraction.trim_end_matches('0');
        return format!("{whole}.{}", if fraction.is_empty() { "0" } else { fraction });
    }
    let (lead, rest) = trimmed.split_at(1);
    format!("{lead}.{}E{}", if rest.is_empty() { "0" } else { rest }, point - 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn large_doubles_are_printed_with_exponent() {
        assert_eq!(print_double(16_147_805_824_397, 0), "1.6147805824397E13");
        assert_eq!(print_double(35_000_000_000, 2), "3.5E8");
        assert_eq!(print_double(1_234_567, 2), "12345.67");
        assert_eq!(print_double(120_000, 2), "1200.0");
        assert_eq!(print_double(5, 2), "0.05");
        assert_eq!(print_double(5, 5), "5.0E-5");
        assert_eq!(print_double(10_000_000, 0), "1.0E7");
        assert_eq!(print_double(9_999_999, 0), "9999999.0");
        assert_eq!(print_double(0, 2), "0.0");
    }

    proptest! {
        #[test]
        fn printed_doubles_have_the_value_they_stand_for(unscaled in 0u64..1 << 50, scale in 0u32..10) {
            let printed: f64 = print_double(unscaled, scale).parse().unwrap();
            let expected: f64 = format!("{unscaled}e-{scale}").parse().unwrap();
            prop_assert_eq!(printed, expected);
        }
    }
}
