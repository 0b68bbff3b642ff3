//! The answers of describe, for objects and for the whole org, with every key that recorded answers have.

use serde_json::{Value as Json, json};

use crate::org::{
    Field, FieldType, Object, Org, Viewer,
    object::{ObjectSchema, RecordType},
};

/// What describe answers depend on besides object and user.
#[derive(Debug, Clone, Copy)]
pub struct DescribeOptions<'a> {
    /// `v62.0`.
    pub version: &'a str,
    /// `https://…` of the org, for the links of its user interface.
    pub instance_url: &'a str,
}

/// The record type that every object has.
const MASTER: &str = "012000000000000AAA";

impl Org {
    /// The body of `GET /sobjects`: the objects that this user may read.
    pub fn describe_global(&self, viewer: &Viewer, options: DescribeOptions<'_>) -> Vec<u8> {
        let visible = self.objects().iter().filter(|object| viewer.sees_object(object.name()));
        let entries: Vec<Json> = visible.map(|object| self.describe_basic(object, options)).collect();
        bytes(&json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": entries}))
    }

    /// The `objectDescribe` part of `GET /sobjects/X` (one entry of describe global).
    pub fn describe_basic(&self, object: &Object, options: DescribeOptions<'_>) -> Json {
        let s = &object.schema;
        json!({
            "activateable": s.activateable,
            "associateEntityType": s.associate_entity_type,
            "associateParentEntity": s.associate_parent_entity,
            "createable": s.createable,
            "custom": s.custom,
            "customSetting": s.custom_setting,
            "deepCloneable": false,
            "deletable": s.deletable,
            "deprecatedAndHidden": false,
            "feedEnabled": s.feed_enabled,
            "hasSubtypes": false,
            "isInterface": false,
            "isSubtype": false,
            "keyPrefix": s.key_prefix.map(|prefix| prefix.as_str().to_owned()),
            "label": s.label,
            "labelPlural": s.label_plural,
            "layoutable": s.layoutable,
            "mergeable": s.mergeable,
            "mruEnabled": s.mru_enabled,
            "name": s.name,
            "queryable": s.queryable,
            "replicateable": s.replicateable,
            "retrieveable": s.retrieveable,
            "searchable": s.searchable,
            "triggerable": s.triggerable,
            "undeletable": s.undeletable,
            "updateable": s.updateable,
            "urls": basic_urls(s, options),
        })
    }

    /// The body of `GET /sobjects/X/describe`: the fields that this user may see.
    pub fn describe(&self, object: &Object, viewer: &Viewer, options: DescribeOptions<'_>) -> Vec<u8> {
        let mut answer = self.describe_basic(object, options);
        let s = &object.schema;
        let fields: Vec<Json> = object
            .visible_fields(viewer)
            .map(|(_, field)| describe_field(field, object.takes_at_create(viewer, field)))
            .collect();
        let rest = json!({
            "actionOverrides": [],
            "childRelationships": self.child_relationships(object, viewer),
            "compactLayoutable": s.layoutable,
            "defaultImplementation": null,
            "extendedBy": null,
            "extendsInterfaces": null,
            "fields": fields,
            "implementedBy": null,
            "implementsInterfaces": null,
            "listviewable": null,
            "lookupLayoutable": null,
            "namedLayoutInfos": [],
            "networkScopeFieldName": null,
            "recordTypeInfos": record_types(s, options),
            "searchLayoutable": s.searchable,
            "supportedScopes": scopes(s),
            "urls": urls(s, options),
        });
        extend(&mut answer, rest);
        if let Json::Object(answer) = &mut answer {
            answer.remove("associateEntityType"); // told by describe global alone
            answer.remove("associateParentEntity");
        }
        bytes(&answer)
    }

    fn child_relationships(&self, parent: &Object, viewer: &Viewer) -> Vec<Json> {
        let children = self.objects().iter().filter(|child| viewer.sees_object(child.name()));
        let through = children.flat_map(|child| child.visible_fields(viewer).map(move |(_, field)| (child, field)));
        through
            .filter(|(_, field)| field.reference_to.iter().any(|to| to == parent.name()))
            .map(|(child, field)| {
                json!({
                    "cascadeDelete": field.cascade_delete,
                    "childSObject": child.name(),
                    "deprecatedAndHidden": false,
                    "field": field.name,
                    "junctionIdListNames": [],
                    "junctionReferenceTo": [],
                    "relationshipName": field.child_relationship_name,
                    "restrictedDelete": field.restricted_delete,
                })
            })
            .collect()
    }
}

fn extend(answer: &mut Json, more: Json) {
    if let (Json::Object(answer), Json::Object(more)) = (answer, more) {
        answer.extend(more);
    }
}

fn bytes(answer: &Json) -> Vec<u8> {
    serde_json::to_vec(answer).unwrap_or_default() // a JSON value with text keys always serialises
}

fn describe_field(f: &Field, createable: bool) -> Json {
    let picklist: Vec<Json> = f
        .picklist
        .iter()
        .map(|entry| json!({"active": entry.active, "defaultValue": entry.default, "label": entry.label, "validFor": null, "value": entry.value}))
        .collect();
    let default = if f.kind == FieldType::Boolean {
        json!(false)
    } else {
        Json::Null
    };
    // Texts take three bytes a character at most; ids are ASCII.
    let byte_length = match f.kind {
        FieldType::Id | FieldType::Reference => f.length,
        _ => f.length * 3,
    };
    // In two halves, for the macro's depth.
    let mut answer = json!({
        "aggregatable": f.aggregatable,
        "aiPredictionField": false,
        "autoNumber": f.auto_number,
        "byteLength": byte_length,
        "calculated": f.calculated,
        "calculatedFormula": f.calculated_formula,
        "cascadeDelete": f.cascade_delete,
        "caseSensitive": f.case_sensitive,
        "compoundFieldName": f.compound_field_name,
        "controllerName": null,
        "createable": createable,
        "custom": f.custom,
        "defaultValue": default,
        "defaultValueFormula": null,
        "defaultedOnCreate": f.defaulted_on_create,
        "dependentPicklist": false,
        "deprecatedAndHidden": false,
        "digits": f.digits,
        "displayLocationInDecimal": f.kind == FieldType::Location,
        "encrypted": f.encrypted,
        "externalId": f.external_id,
        "extraTypeInfo": f.extra_type_info,
        "filterable": f.filterable,
        "filteredLookupInfo": null,
        "formulaTreatNullNumberAsZero": false,
    });
    let rest = json!({
        "groupable": f.groupable,
        "highScaleNumber": false,
        "htmlFormatted": f.html_formatted,
        "idLookup": f.id_lookup,
        "inlineHelpText": null,
        "label": f.label,
        "length": f.length,
        "mask": f.encrypted.then_some("*"),
        "maskType": f.encrypted.then_some("all"),
        "name": f.name,
        "nameField": f.name_field,
        "namePointing": f.polymorphic(),
        "nillable": f.nillable,
        "permissionable": f.permissionable,
        "picklistValues": picklist,
        "polymorphicForeignKey": f.polymorphic(),
        "precision": f.precision,
        "queryByDistance": f.kind.is_compound(),
        "referenceTargetField": null,
        "referenceTo": f.reference_to,
        "relationshipName": f.relationship_name,
        "relationshipOrder": f.relationship_order,
        "restrictedDelete": f.restricted_delete,
        "restrictedPicklist": f.restricted_picklist,
        "scale": f.scale,
        "searchPrefilterable": f.kind == FieldType::Reference && f.permissionable,
        "soapType": f.kind.soap_name(),
        "sortable": f.sortable,
        "type": f.kind.name(),
        "unique": f.unique,
        "updateable": f.updateable,
        "writeRequiresMasterRead": f.relationship_order.is_some(),
    });
    extend(&mut answer, rest);
    answer
}

fn basic_urls(s: &ObjectSchema, options: DescribeOptions<'_>) -> Json {
    let base = format!("/services/data/{}/sobjects/{}", options.version, s.name);
    let mut urls = json!({
        "describe": format!("{base}/describe"),
        "rowTemplate": format!("{base}/{{ID}}"),
        "sobject": base,
    });
    if let (true, Json::Object(urls)) = (s.layoutable, &mut urls) {
        for (name, path) in [
            ("approvalLayouts", "describe/approvalLayouts"),
            ("compactLayouts", "describe/compactLayouts"),
            ("layouts", "describe/layouts"),
            ("listviews", "listviews"),
            ("quickActions", "quickActions"),
        ] {
            urls.insert(name.to_owned(), json!(format!("{base}/{path}")));
        }
    }
    urls
}

fn urls(s: &ObjectSchema, options: DescribeOptions<'_>) -> Json {
    let mut urls = basic_urls(s, options);
    if let (true, Some(prefix), Json::Object(urls)) = (s.layoutable, s.key_prefix, &mut urls) {
        let (ui, prefix) = (options.instance_url, prefix.as_str());
        urls.insert("uiDetailTemplate".into(), json!(format!("{ui}/{{ID}}")));
        urls.insert("uiEditTemplate".into(), json!(format!("{ui}/{{ID}}/e")));
        urls.insert("uiNewRecord".into(), json!(format!("{ui}/{prefix}/e")));
        let defaults = format!(
            "/services/data/{}/sobjects/{}/defaultValues?recordTypeId&fields",
            options.version, s.name
        );
        urls.insert("defaultValues".into(), json!(defaults));
    }
    urls
}

fn record_types(s: &ObjectSchema, options: DescribeOptions<'_>) -> Vec<Json> {
    if !s.layoutable {
        return Vec::new();
    }
    let info = |id: &str, developer_name: &str, name: &str, default: bool, master: bool| {
        let layout = format!("/services/data/{}/sobjects/{}/describe/layouts/{id}", options.version, s.name);
        json!({
            "active": true,
            "available": true,
            "defaultRecordTypeMapping": default,
            "developerName": developer_name,
            "master": master,
            "name": name,
            "recordTypeId": id,
            "urls": {"layout": layout},
        })
    };
    let own = s.record_types.iter().enumerate();
    let mut infos: Vec<Json> = own
        .map(
            |(
                at,
                RecordType {
                    id,
                    developer_name,
                    name,
                },
            )| info(&id.to_string(), developer_name, name, at == 0, false),
        )
        .collect();
    infos.push(info(MASTER, "Master", "Master", infos.is_empty(), true));
    infos
}

fn scopes(s: &ObjectSchema) -> Json {
    let plural = s.label_plural.to_lowercase();
    let everything = json!({"label": format!("All {plural}"), "name": "everything"});
    if s.fields.iter().any(|f| f.name == "OwnerId") {
        json!([everything, {"label": format!("My {plural}"), "name": "mine"}])
    } else {
        json!([everything])
    }
}
