//! How fields are written down in the generator's catalogue: a constructor for each type with the flags that recorded describes give
//! it, and methods for what departs from them.

use crate::org::{
    field::{Field, FieldType, PicklistEntry},
    generate::{
        shape::{Kind, Shape},
        words::Words,
    },
};

/// A field of this type with the flags that most of its kind have: optional, writable, visible.
fn field(name: &str, kind: FieldType, shape: Kind) -> Field {
    let plain = !matches!(
        kind,
        FieldType::Address | FieldType::Location | FieldType::Base64 | FieldType::ComplexValue | FieldType::AnyType
    );
    let writable = !kind.is_compound() && kind != FieldType::Id;
    Field {
        name: name.to_owned(),
        label: label_of(name),
        kind,
        length: 0,
        precision: 0,
        scale: 0,
        digits: 0,
        nillable: true,
        createable: writable,
        updateable: writable,
        filterable: plain || kind == FieldType::Location,
        sortable: plain,
        groupable: plain
            && !matches!(
                kind,
                FieldType::Datetime | FieldType::Double | FieldType::Currency | FieldType::Percent
            ),
        aggregatable: plain && kind != FieldType::Boolean,
        calculated: false,
        calculated_formula: None,
        auto_number: false,
        custom: name.ends_with("__c"),
        defaulted_on_create: false,
        unique: false,
        case_sensitive: false,
        external_id: false,
        id_lookup: kind == FieldType::Email,
        encrypted: false,
        html_formatted: false,
        name_field: false,
        permissionable: true,
        restricted_picklist: false,
        picklist: Vec::new(),
        reference_to: Vec::new(),
        relationship_name: None,
        relationship_order: None,
        cascade_delete: false,
        restricted_delete: false,
        child_relationship_name: None,
        compound_field_name: None,
        extra_type_info: None,
        removed: false,
        shape: Shape { filled: 60, kind: shape },
    }
}

/// `BillingCity` and `Billing_City__c` → `Billing City`.
pub(crate) fn label_of(name: &str) -> String {
    let stem = name
        .rsplit_once("__")
        .filter(|(_, suffix)| suffix.len() <= 3)
        .map_or(name, |(stem, _)| stem);
    let stem = stem.split_once("__").map_or(stem, |(_namespace, rest)| rest);
    let mut label = String::new();
    let mut before = ' ';
    for c in stem.chars() {
        if c == '_' {
            label.push(' ');
        } else {
            if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
                label.push(' ');
            }
            label.push(c);
        }
        before = c;
    }
    label
}

pub(crate) fn text(name: &str, length: u32, words: Words) -> Field {
    Field {
        length,
        ..field(name, FieldType::String, Kind::Text(words))
    }
}

/// A text of up to 255 characters, or a long one, which can't be filtered or sorted.
pub(crate) fn area(name: &str, length: u32, words: Words) -> Field {
    let short = length <= 255;
    let base = field(name, FieldType::Textarea, Kind::Text(words));
    Field {
        length,
        filterable: short,
        sortable: short,
        groupable: short,
        aggregatable: short,
        extra_type_info: Some("plaintextarea".into()),
        ..base
    }
}

pub(crate) fn rich_text(name: &str) -> Field {
    Field {
        html_formatted: true,
        extra_type_info: Some("richtextarea".into()),
        shape: Shape {
            filled: 60,
            kind: Kind::RichText,
        },
        ..area(name, 32_768, Words::Html)
    }
}

pub(crate) fn encrypted(name: &str) -> Field {
    Field {
        length: 175,
        encrypted: true,
        filterable: false,
        sortable: false,
        groupable: false,
        aggregatable: false,
        ..field(name, FieldType::EncryptedString, Kind::Text(Words::Code))
    }
}

pub(crate) fn email(name: &str) -> Field {
    Field {
        length: 80,
        ..field(name, FieldType::Email, Kind::Text(Words::Email))
    }
}

pub(crate) fn phone(name: &str) -> Field {
    Field {
        length: 40,
        ..field(name, FieldType::Phone, Kind::Text(Words::Phone))
    }
}

pub(crate) fn url(name: &str) -> Field {
    Field {
        length: 255,
        ..field(name, FieldType::Url, Kind::Text(Words::Url))
    }
}

pub(crate) fn flag(name: &str, percent: u8) -> Field {
    let base = field(name, FieldType::Boolean, Kind::Flag(percent));
    Field {
        nillable: false,
        defaulted_on_create: true,
        shape: Shape::always(base.shape.kind.clone()),
        ..base
    }
}

fn entries(values: &[&str]) -> Vec<PicklistEntry> {
    values
        .iter()
        .map(|value| PicklistEntry {
            value: (*value).to_owned(),
            label: (*value).to_owned(),
            active: true,
            default: false,
        })
        .collect()
}

pub(crate) fn picklist(name: &str, values: &[&str]) -> Field {
    Field {
        length: 40,
        picklist: entries(values),
        ..field(name, FieldType::Picklist, Kind::Pick)
    }
}

pub(crate) fn multi_picklist(name: &str, values: &[&str]) -> Field {
    Field {
        length: 4099,
        precision: 4,
        picklist: entries(values),
        sortable: false,
        groupable: false,
        aggregatable: false,
        ..field(name, FieldType::Multipicklist, Kind::Picks)
    }
}

pub(crate) fn combobox(name: &str, values: &[&str]) -> Field {
    Field {
        length: 255,
        picklist: entries(values),
        groupable: false,
        ..field(name, FieldType::Combobox, Kind::Text(Words::Sentence))
    }
}

pub(crate) fn integer(name: &str, low: i64, high: i64) -> Field {
    Field {
        digits: 9,
        ..field(name, FieldType::Int, Kind::Integer(low, high))
    }
}

pub(crate) fn double(name: &str, places: u32, scale: u32) -> Field {
    Field {
        precision: 18,
        scale,
        ..field(name, FieldType::Double, Kind::Double(places))
    }
}

/// A number of eighteen digits, more than a double holds.
pub(crate) fn eighteen_digits(name: &str) -> Field {
    Field {
        precision: 18,
        ..field(name, FieldType::Double, Kind::EighteenDigits)
    }
}

pub(crate) fn currency(name: &str) -> Field {
    Field {
        precision: 18,
        scale: 2,
        ..field(name, FieldType::Currency, Kind::Double(10))
    }
}

pub(crate) fn percent(name: &str) -> Field {
    Field {
        precision: 5,
        scale: 2,
        ..field(name, FieldType::Percent, Kind::Double(2))
    }
}

pub(crate) fn date(name: &str) -> Field {
    field(name, FieldType::Date, Kind::Date)
}

pub(crate) fn datetime(name: &str) -> Field {
    field(name, FieldType::Datetime, Kind::DateTime)
}

pub(crate) fn time(name: &str) -> Field {
    field(name, FieldType::Time, Kind::Time)
}

pub(crate) fn body(name: &str, least: u64, most: u64, common: u64) -> Field {
    let shape = Kind::Body {
        least,
        most,
        common,
        first: None,
    };
    Field {
        permissionable: false,
        shape: Shape::always(shape.clone()),
        ..field(name, FieldType::Base64, shape)
    }
}

/// A lookup. The relationship is the name without `Id`, or with `__r` for `__c`.
pub(crate) fn lookup(name: &str, to: &[&str]) -> Field {
    let relationship = match (name.strip_suffix("__c"), name.strip_suffix("Id")) {
        (Some(stem), _) => Some(format!("{stem}__r")),
        (None, Some("")) | (None, None) => None,
        (None, Some(stem)) => Some(stem.to_owned()),
    };
    Field {
        length: 18,
        relationship_name: relationship,
        reference_to: to.iter().map(|name| (*name).to_owned()).collect(),
        ..field(name, FieldType::Reference, Kind::Reference(Vec::new()))
    }
}

/// A master-detail reference: required, set once, and the row lives and dies with its parent.
pub(crate) fn master(name: &str, to: &str) -> Field {
    Field {
        cascade_delete: true,
        relationship_order: Some(0),
        updateable: false,
        ..lookup(name, &[to]).mandatory()
    }
}

/// A reference to another row of the same object.
pub(crate) fn parent_of_same(name: &str, object: &str) -> Field {
    let base = lookup(name, &[object]);
    Field {
        shape: Shape {
            filled: 20,
            kind: Kind::Earlier,
        },
        ..base
    }
}

/// The key of another system, by which rows can be upserted.
pub(crate) fn external_key(name: &str, prefix: &str) -> Field {
    Field {
        length: 40,
        unique: true,
        external_id: true,
        id_lookup: true,
        shape: Shape::always(Kind::Key(prefix.to_owned())),
        ..field(name, FieldType::String, Kind::Pick)
    }
}

/// A formula over a number field.
pub(crate) fn formula(name: &str, of: &str) -> Field {
    Field {
        precision: 18,
        calculated: true,
        calculated_formula: Some(format!("{of} * 100")),
        ..field(name, FieldType::Double, Kind::Hundredfold(of.to_owned())).read_only()
    }
}

/// `<prefix>Street` … `<prefix>GeocodeAccuracy` and the compound `<prefix>Address`.
pub(crate) fn address(prefix: &str) -> Vec<Field> {
    let compound = format!("{prefix}Address");
    let name = |part: &str| format!("{prefix}{part}");
    let mut parts = vec![
        area(&name("Street"), 255, Words::Street),
        text(&name("City"), 40, Words::City),
        text(&name("State"), 80, Words::State),
        text(&name("PostalCode"), 20, Words::PostalCode),
        text(&name("Country"), 80, Words::Country),
        Field {
            scale: 15,
            ..double(&name("Latitude"), 2, 15).filled(10)
        },
        Field {
            scale: 15,
            ..double(&name("Longitude"), 2, 15).filled(10)
        },
        picklist(&name("GeocodeAccuracy"), &["Address", "NearAddress", "Block", "City"]).filled(10),
    ];
    for part in &mut parts {
        part.compound_field_name = Some(compound.clone());
    }
    parts.push(field(&compound, FieldType::Address, Kind::Address(prefix.to_owned())));
    parts
}

/// `<stem>__Latitude__s`, `<stem>__Longitude__s` and the compound `<stem>__c`.
pub(crate) fn place(stem: &str) -> Vec<Field> {
    let compound = format!("{stem}__c");
    let part = |name: String| Field {
        custom: true,
        compound_field_name: Some(compound.clone()),
        ..double(&name, 2, 6)
    };
    vec![
        part(format!("{stem}__Latitude__s")),
        part(format!("{stem}__Longitude__s")),
        field(&compound, FieldType::Location, Kind::Place(stem.to_owned())),
    ]
}

/// A field that the row's own state tells: read-only and never hidden.
pub(crate) fn of_row(name: &str, kind: FieldType, shape: Kind) -> Field {
    let base = field(name, kind, Kind::Pick);
    Field {
        length: if kind == FieldType::Id { 18 } else { 0 },
        nillable: false,
        defaulted_on_create: true,
        permissionable: false,
        id_lookup: kind == FieldType::Id,
        shape: Shape::always(shape),
        ..base.read_only()
    }
}

/// A value that isn't by dice.
pub(crate) fn given(name: &str, length: u32, shape: Kind) -> Field {
    Field {
        length,
        shape: Shape::always(shape),
        ..field(name, FieldType::String, Kind::Pick)
    }
}

/// Old and new values in history: of any type.
pub(crate) fn any(name: &str) -> Field {
    Field {
        length: 255,
        ..field(name, FieldType::AnyType, Kind::Text(Words::City)).read_only()
    }
}

/// The header of change events.
pub(crate) fn complex(name: &str) -> Field {
    field(name, FieldType::ComplexValue, Kind::Constant(crate::org::Value::Null)).read_only()
}

impl Field {
    /// Must be given at create.
    pub(crate) fn mandatory(mut self) -> Field {
        self.nillable = false;
        self.permissionable = false;
        self.shape.filled = 100;
        self
    }

    /// Set by the system.
    pub(crate) fn read_only(mut self) -> Field {
        self.createable = false;
        self.updateable = false;
        self
    }

    /// Given at create and then fixed.
    pub(crate) fn set_once(mut self) -> Field {
        self.updateable = false;
        self
    }

    /// Gets a value by itself where none is given.
    pub(crate) fn defaulted(mut self) -> Field {
        self.nillable = false;
        self.defaulted_on_create = true;
        self.shape.filled = 100;
        self
    }

    /// What people call the record by.
    pub(crate) fn naming(mut self) -> Field {
        self.name_field = true;
        self
    }

    /// Has a value in so many percent of rows.
    pub(crate) fn filled(mut self, percent: u8) -> Field {
        self.shape.filled = percent;
        self
    }

    /// No other values than the picklist's; the first is the default.
    pub(crate) fn restricted(mut self) -> Field {
        self.restricted_picklist = true;
        self
    }

    /// How the parent calls the list of these rows.
    pub(crate) fn children(mut self, name: &str) -> Field {
        self.child_relationship_name = Some(name.to_owned());
        self
    }

    /// The rows live and die with the parent.
    pub(crate) fn cascading(mut self) -> Field {
        self.cascade_delete = true;
        self
    }

    /// The parent can't be deleted before.
    pub(crate) fn restricting(mut self) -> Field {
        self.restricted_delete = true;
        self
    }

    /// Takes its values from a rule of its own.
    pub(crate) fn shaped(mut self, kind: Kind) -> Field {
        self.shape = Shape::always(kind);
        self
    }
}
