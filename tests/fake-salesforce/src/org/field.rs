//! Fields of objects: what a describe says about one, and nothing about the values rows hold.

use crate::org::generate::Shape;

/// The type of a field, as describe names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are Salesforce's own")]
pub enum FieldType {
    Id,
    Boolean,
    Reference,
    String,
    Picklist,
    Multipicklist,
    Combobox,
    Textarea,
    Phone,
    Url,
    Email,
    EncryptedString,
    Int,
    Long,
    Double,
    Currency,
    Percent,
    Date,
    Datetime,
    Time,
    Address,
    Location,
    Base64,
    AnyType,
    ComplexValue,
}

impl FieldType {
    /// The name in describe answers.
    pub fn name(self) -> &'static str {
        match self {
            FieldType::Id => "id",
            FieldType::Boolean => "boolean",
            FieldType::Reference => "reference",
            FieldType::String => "string",
            FieldType::Picklist => "picklist",
            FieldType::Multipicklist => "multipicklist",
            FieldType::Combobox => "combobox",
            FieldType::Textarea => "textarea",
            FieldType::Phone => "phone",
            FieldType::Url => "url",
            FieldType::Email => "email",
            FieldType::EncryptedString => "encryptedstring",
            FieldType::Int => "int",
            FieldType::Long => "long",
            FieldType::Double => "double",
            FieldType::Currency => "currency",
            FieldType::Percent => "percent",
            FieldType::Date => "date",
            FieldType::Datetime => "datetime",
            FieldType::Time => "time",
            FieldType::Address => "address",
            FieldType::Location => "location",
            FieldType::Base64 => "base64",
            FieldType::AnyType => "anyType",
            FieldType::ComplexValue => "complexvalue",
        }
    }

    /// The type in Salesforce's SOAP schema.
    pub fn soap_name(self) -> &'static str {
        match self {
            FieldType::Id | FieldType::Reference => "tns:ID",
            FieldType::Boolean => "xsd:boolean",
            FieldType::Int => "xsd:int",
            FieldType::Long => "xsd:long",
            FieldType::Double | FieldType::Currency | FieldType::Percent => "xsd:double",
            FieldType::Date => "xsd:date",
            FieldType::Datetime => "xsd:dateTime",
            FieldType::Time => "xsd:time",
            FieldType::Address => "urn:address",
            FieldType::Location => "urn:location",
            FieldType::Base64 => "xsd:base64Binary",
            FieldType::AnyType => "xsd:anyType",
            FieldType::ComplexValue => "urn:RecordTypesSupported",
            _ => "xsd:string",
        }
    }

    /// Whether values are texts.
    pub fn is_text(self) -> bool {
        self.soap_name() == "xsd:string"
    }

    /// Whether values are numbers.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            FieldType::Int | FieldType::Long | FieldType::Double | FieldType::Currency | FieldType::Percent
        )
    }

    /// Whether the value is made of other fields (addresses, locations) and can't be selected in bulk queries.
    pub fn is_compound(self) -> bool {
        matches!(self, FieldType::Address | FieldType::Location)
    }
}

/// One value of a picklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PicklistEntry {
    /// The stored value.
    pub value: String,
    /// What people see.
    pub label: String,
    /// Whether it may still be chosen.
    pub active: bool,
    /// Whether new records get it.
    pub default: bool,
}

/// One field, as describe tells it. `name`s keep the case of describe; SOQL and writes find them in any case.
#[derive(Debug, Clone)]
pub struct Field {
    /// API name.
    pub name: String,
    /// Label.
    pub label: String,
    /// Type.
    pub kind: FieldType,
    /// Length in characters (texts, ids); 0 for others.
    pub length: u32,
    /// Digits in all (numbers but integers).
    pub precision: u32,
    /// Digits after the point.
    pub scale: u32,
    /// Digits of an integer.
    pub digits: u32,
    /// May be null. Together with `defaulted_on_create` tells what a create must give.
    pub nillable: bool,
    /// May be given at create.
    pub createable: bool,
    /// May be changed.
    pub updateable: bool,
    /// May stand in WHERE.
    pub filterable: bool,
    /// May stand in ORDER BY.
    pub sortable: bool,
    /// May stand in GROUP BY.
    pub groupable: bool,
    /// May stand in an aggregate.
    pub aggregatable: bool,
    /// Computed: formula or roll-up.
    pub calculated: bool,
    /// The formula, where it is one.
    pub calculated_formula: Option<String>,
    /// Numbered by Salesforce.
    pub auto_number: bool,
    /// Made in this org or by a package.
    pub custom: bool,
    /// Gets a value by itself at create.
    pub defaulted_on_create: bool,
    /// No two rows share a value.
    pub unique: bool,
    /// Compared case-sensitively.
    pub case_sensitive: bool,
    /// Key of another system, usable for upsert.
    pub external_id: bool,
    /// Usable for upsert.
    pub id_lookup: bool,
    /// Classic-encrypted: masked for users without View Encrypted Data.
    pub encrypted: bool,
    /// Rich text.
    pub html_formatted: bool,
    /// The field that people call the record by.
    pub name_field: bool,
    /// Field-level security can hide it.
    pub permissionable: bool,
    /// Values outside the picklist are refused.
    pub restricted_picklist: bool,
    /// Values of a picklist.
    pub picklist: Vec<PicklistEntry>,
    /// Objects that it can refer to; several for polymorphic lookups.
    pub reference_to: Vec<String>,
    /// The name to reach the parent by in SOQL (`Owner` for `OwnerId`).
    pub relationship_name: Option<String>,
    /// Order among master-detail fields.
    pub relationship_order: Option<u32>,
    /// Deleting the parent deletes this row.
    pub cascade_delete: bool,
    /// The parent can't be deleted while this row refers to it.
    pub restricted_delete: bool,
    /// What the list of such children is called at the parent (`Contacts`).
    pub child_relationship_name: Option<String>,
    /// The compound field that it is a part of.
    pub compound_field_name: Option<String>,
    /// Describe's `extraTypeInfo` (`plaintextarea`, `richtextarea`, `personname`…).
    pub extra_type_info: Option<String>,
    /// It was taken away. It keeps its place, so that rows keep the values of the others, and has no name any more.
    pub removed: bool,
    /// How generated rows get their value.
    pub(crate) shape: Shape,
}

impl Field {
    /// Whether a create must give it a value.
    pub fn required(&self) -> bool {
        self.createable && !self.nillable && !self.defaulted_on_create
    }

    /// Whether it can refer to several objects.
    pub fn polymorphic(&self) -> bool {
        self.reference_to.len() > 1
    }
}
