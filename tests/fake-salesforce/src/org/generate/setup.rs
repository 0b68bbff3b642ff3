//! The objects of the set-up: users and permissions, metadata, logs; among them most of those that behave oddly.

use crate::org::{
    field::{Field, FieldType},
    generate::{
        draft::{Audit, Draft},
        fields::*,
        refusals::Oddity,
        shape::Kind,
        words::Words,
    },
};

/// The permissions that `UserPermissionAccess` tells; an org without one of them answers `INVALID_FIELD`.
const PERMISSIONS: &[&str] = &[
    "PermissionsApiEnabled",
    "PermissionsViewAllData",
    "PermissionsModifyAllData",
    "PermissionsViewSetup",
    "PermissionsQueryAllFiles",
    "PermissionsViewEncryptedData",
    "PermissionsManageUsers",
    "PermissionsCreateAuditFields",
    "PermissionsUpdateWithInactiveOwner",
];

/// The object of this name, if it is one of these.
#[expect(clippy::too_many_lines, reason = "data: one arm an object")]
pub(crate) fn object(name: &str) -> Option<Draft> {
    Some(match name {
        "Organization" => organization(),
        "User" => user(),
        "UserPermissionAccess" => Draft::setup(name, "0up")
            .read_only()
            .not_replicateable()
            .audit(Audit::Nothing)
            .uncounted()
            .not_bulk()
            .with(
                PERMISSIONS
                    .iter()
                    .map(|name| of_row(name, FieldType::Boolean, Kind::Permission)),
            ),
        "Profile" => named(name, "00e").with([area("Description", 255, Words::Sentence), flag("PermissionsApiEnabled", 60)]),
        "UserRole" => named(name, "00E").with([
            parent_of_same("ParentRoleId", "UserRole"),
            text("DeveloperName", 80, Words::DeveloperName).filled(100),
        ]),
        "Group" => named(name, "00G").with([
            text("DeveloperName", 80, Words::DeveloperName).filled(100),
            picklist("Type", &["Regular", "Queue", "Role"]).mandatory(),
        ]),
        "GroupMember" => Draft::setup(name, "011").audit(Audit::Nothing).with([
            lookup("GroupId", &["Group"])
                .mandatory()
                .set_once()
                .cascading()
                .children("GroupMembers"),
            lookup("UserOrGroupId", &["User", "Group"]).mandatory().set_once(),
            of_row("SystemModstamp", FieldType::Datetime, Kind::SystemModstamp),
        ]),
        "PermissionSet" => named(name, "0PS").with([
            Field {
                label: "Permission Set Label".into(),
                ..text("Label", 80, Words::Product).mandatory()
            },
            lookup("ProfileId", &["Profile"]),
            flag("IsOwnedByProfile", 30).read_only(),
        ]),
        "PermissionSetAssignment" => Draft::setup(name, "0Pa").audit(Audit::Nothing).with([
            lookup("PermissionSetId", &["PermissionSet"])
                .mandatory()
                .set_once()
                .children("Assignments"),
            lookup("AssigneeId", &["User"]).mandatory().set_once(),
            of_row("SystemModstamp", FieldType::Datetime, Kind::SystemModstamp),
        ]),
        "FieldPermissions" => Draft::setup(name, "01k")
            .not_replicateable()
            .audit(Audit::Nothing)
            .odd(Oddity::Ends {
                after_rows: 300,
                honest_total: true,
            })
            .with([
                lookup("ParentId", &["PermissionSet"]).mandatory().set_once(),
                text("SobjectType", 40, Words::Code).mandatory().set_once(),
                text("Field", 255, Words::DeveloperName).mandatory().set_once(),
                flag("PermissionsEdit", 70),
                flag("PermissionsRead", 90),
                of_row("SystemModstamp", FieldType::Datetime, Kind::SystemModstamp),
            ]),
        "ObjectPermissions" => Draft::setup(name, "110").audit(Audit::NoBin).not_replicateable().with([
            lookup("ParentId", &["PermissionSet"]).mandatory().set_once(),
            text("SobjectType", 40, Words::Code).mandatory().set_once(),
            flag("PermissionsRead", 90),
        ]),
        "OauthToken" => Draft::setup(name, "0CQ")
            .read_only()
            .not_replicateable()
            .audit(Audit::Nothing)
            .odd(Oddity::Ends {
                after_rows: 2_500,
                honest_total: false,
            })
            .with([
                text("AccessToken", 255, Words::Code).read_only(),
                lookup("UserId", &["User"]).read_only().filled(100),
                text("AppName", 255, Words::Product).read_only(),
                of_row("CreatedDate", FieldType::Datetime, Kind::CreatedDate),
                integer("UseCount", 0, 10_000).read_only(),
            ]),
        "RecordType" => Draft::setup(name, "012").audit(Audit::NoBin).with([
            given("Name", 80, Kind::Listed([].into())).mandatory().naming(),
            given("DeveloperName", 80, Kind::Listed([].into())).mandatory(),
            given("SobjectType", 40, Kind::Listed([].into())).mandatory().set_once(),
            flag("IsActive", 100),
            area("Description", 255, Words::Sentence).filled(20),
        ]),
        "EntityDefinition" => Draft::setup(name, "")
            .read_only()
            .not_replicateable()
            .audit(Audit::Nothing)
            .odd(Oddity::NoQueryMore)
            .with([
                given("DurableId", 255, Kind::Listed([].into())).read_only(),
                given("QualifiedApiName", 70, Kind::Listed([].into())).read_only(),
                given("KeyPrefix", 3, Kind::Listed([].into())).read_only(),
                given("Label", 80, Kind::Listed([].into())).read_only().naming(),
                datetime("LastModifiedDate").read_only().shaped(Kind::Listed([].into())),
            ]),
        "AppDefinition" => Draft::setup(name, "")
            .read_only()
            .not_replicateable()
            .audit(Audit::Nothing)
            .odd(Oddity::SharedId)
            .with([
                given("DurableId", 255, Kind::Key("06m".into())).read_only(),
                text("Label", 80, Words::Product).read_only().naming(),
                text("DeveloperName", 80, Words::DeveloperName).read_only().filled(100),
                flag("IsNavPersonalizationDisabled", 10).read_only(),
            ]),
        "TabDefinition" => Draft::setup(name, "")
            .read_only()
            .not_replicateable()
            .audit(Audit::Nothing)
            .odd(Oddity::NoIdFilter)
            .with([
                given("DurableId", 255, Kind::Key("TAB-".into())).read_only(),
                text("Label", 80, Words::Product).read_only().naming(),
            ]),
        "LoginHistory" => Draft::setup(name, "0Ya")
            .read_only()
            .not_replicateable()
            .audit(Audit::Nothing)
            .uncounted()
            .with([
                lookup("UserId", &["User"]).read_only().filled(100),
                of_row("LoginTime", FieldType::Datetime, Kind::CreatedDate),
                picklist("LoginType", &["Application", "Remote Access 2.0"]).read_only(),
                text("SourceIp", 39, Words::PostalCode).read_only(),
                picklist("Status", &["Success", "Invalid Password"]).read_only(),
            ]),
        "LoginEvent" => Draft::setup(name, "0Lv")
            .read_only()
            .not_replicateable()
            .audit(Audit::Nothing)
            .odd(Oddity::NoIdFilter)
            .uncounted()
            .with([
                given("EventIdentifier", 36, Kind::Key("ev-".into())).read_only(),
                of_row("EventDate", FieldType::Datetime, Kind::CreatedDate),
                lookup("UserId", &["User"]).read_only().filled(100),
            ]),
        "Folder" => named(name, "00l").with([
            text("DeveloperName", 80, Words::DeveloperName).filled(100),
            picklist("Type", &["Document", "Email", "Report"]).mandatory(),
            picklist("AccessType", &["Public", "Hidden"]).mandatory(),
        ]),
        "EmailTemplate" => named(name, "00X").with([
            lookup("FolderId", &["Folder", "User"]).mandatory(),
            text("Subject", 255, Words::Sentence),
            area("Body", 384_000, Words::Lines),
            area("HtmlValue", 384_000, Words::Html),
        ]),
        "ApexClass" => named(name, "01p").with([
            area("Body", 1_000_000, Words::Lines),
            double("ApiVersion", 2, 1).mandatory(),
            integer("LengthWithoutComments", 10, 100_000),
        ]),
        "ApexTrigger" => {
            named(name, "01q").with([area("Body", 1_000_000, Words::Lines), text("TableEnumOrId", 40, Words::Code)])
        }
        "UserLicense" => named(name, "100").read_only().not_replicateable(),
        "RecentlyViewed" => Draft::setup(name, "")
            .read_only()
            .not_replicateable()
            .audit(Audit::Nothing)
            .odd(Oddity::Uncountable)
            .uncounted()
            .not_bulk()
            .with([
                text("Name", 255, Words::Company).read_only(),
                datetime("LastViewedDate").read_only(),
            ]),
        _ => return None,
    })
}

/// An object that is little more than its name.
pub(crate) fn named(name: &str, key_prefix: &str) -> Draft {
    Draft::setup(name, key_prefix)
        .audit(Audit::NoBin)
        .with([text("Name", 255, Words::Product).mandatory().naming()])
}

fn organization() -> Draft {
    let mut org = Draft::setup("Organization", "00D").audit(Audit::NoBin).not_bulk();
    let mut fields = vec![text("Name", 80, Words::Company).mandatory().naming()];
    fields.extend(address(""));
    fields.extend([
        phone("Phone"),
        text("PrimaryContact", 80, Words::Last),
        picklist("DefaultLocaleSidKey", &["en_US", "da_DK", "de_DE"]).defaulted(),
        picklist("TimeZoneSidKey", &["Europe/Copenhagen", "America/Los_Angeles"]).defaulted(),
        picklist("LanguageLocaleKey", &["en_US"]).defaulted(),
        integer("FiscalYearStartMonth", 1, 12),
        given(
            "OrganizationType",
            40,
            Kind::Constant(crate::org::Value::Text("Enterprise Edition".into())),
        )
        .read_only(),
        given("InstanceName", 5, Kind::Constant(crate::org::Value::Text("FAKE1".into()))).read_only(),
        flag("IsSandbox", 0).read_only(),
        given("NamespacePrefix", 15, Kind::Constant(crate::org::Value::Null)).read_only(),
        datetime("TrialExpirationDate").read_only().filled(0),
    ]);
    org.schema.fields = fields;
    (org.schema.createable, org.schema.deletable) = (false, false);
    org
}

fn user() -> Draft {
    let mut user = Draft::business("User", "005").feeds().audit(Audit::NoBin).with([
        Field {
            unique: true,
            ..given("Username", 80, Kind::Key("user-".into())).mandatory()
        },
        text("LastName", 80, Words::Last).mandatory(),
        text("FirstName", 40, Words::First),
        given("Name", 121, Kind::Joined(vec!["FirstName".into(), "LastName".into()]))
            .naming()
            .read_only(),
        email("Email").mandatory(),
        text("Alias", 8, Words::Code).mandatory(),
        flag("IsActive", 85),
        picklist("TimeZoneSidKey", &["Europe/Copenhagen", "America/Los_Angeles"]).mandatory(),
        picklist("LocaleSidKey", &["en_US", "da_DK"]).mandatory(),
        picklist("LanguageLocaleKey", &["en_US", "da"]).mandatory(),
        lookup("ProfileId", &["Profile"]).mandatory().children("Users"),
        lookup("UserRoleId", &["UserRole"]).children("Users"),
        parent_of_same("ManagerId", "User"),
        datetime("LastLoginDate").read_only(),
        picklist("UserType", &["Standard"]).read_only(),
    ]);
    (user.schema.deletable, user.schema.undeletable) = (false, false);
    user
}

/// Objects that are nothing but the way in which they refuse.
pub(crate) const REFUSING: &[(&str, Oddity)] = &[
    ("UserRecordAccess", Oddity::RecordAccess),
    ("ActivityHistory", Oddity::NotQueryable),
    ("OpenActivity", Oddity::NotQueryable),
    ("AttachedContentDocument", Oddity::NotQueryable),
    ("AttachedContentNote", Oddity::NotQueryable),
    ("CombinedAttachment", Oddity::NotQueryable),
    ("NoteAndAttachment", Oddity::NotQueryable),
    ("LookedUpFromActivity", Oddity::NotQueryable),
    ("EmailStatus", Oddity::NotQueryable),
    ("OwnedContentDocument", Oddity::NotQueryable),
    ("ProcessInstanceHistory", Oddity::NotQueryable),
    ("AggregateResult", Oddity::NotQueryable),
    ("Name", Oddity::NotQueryable),
    ("ContentBody", Oddity::NotQueryable),
    ("FeedLike", Oddity::NotQueryable),
    ("FeedSignal", Oddity::NotQueryable),
    ("FeedTrackedChange", Oddity::NotQueryable),
    ("LoginEventStream", Oddity::NotQueryable),
    ("LightningUriEventStream", Oddity::NotQueryable),
    ("ListViewEventStream", Oddity::NotQueryable),
    ("LogoutEventStream", Oddity::NotQueryable),
    ("ReportEventStream", Oddity::NotQueryable),
    ("UriEventStream", Oddity::NotQueryable),
    ("ApiEventStream", Oddity::NotQueryable),
    ("PlatformStatusAlertEvent", Oddity::NotQueryable),
    ("FieldDefinition", Oddity::Reified(&["EntityDefinitionId", "DurableId"])),
    ("EntityParticle", Oddity::Reified(&["EntityDefinitionId", "DurableId"])),
    ("RelationshipDomain", Oddity::Reified(&["ParentSobjectId", "DurableId"])),
    ("RelationshipInfo", Oddity::Reified(&["ChildSobjectId", "DurableId"])),
    ("SearchLayout", Oddity::Reified(&["EntityDefinitionId", "DurableId"])),
    ("StandardAction", Oddity::Reified(&["EntityDefinitionId", "DurableId"])),
    ("OwnerChangeOptionInfo", Oddity::Reified(&["EntityDefinitionId", "DurableId"])),
    ("PicklistValueInfo", Oddity::Reified(&["EntityParticleId", "DurableId"])),
    ("UserEntityAccess", Oddity::Reified(&["UserId", "DurableId"])),
    ("UserFieldAccess", Oddity::Reified(&["UserId", "DurableId"])),
    ("XmlSchema", Oddity::Reified(&["NamespacePrefix", "DurableId"])),
    ("UserSetupEntityAccess", Oddity::Reified(&["UserId", "DurableId"])),
    ("ContentFolderItem", Oddity::Restricted(&["Id", "ParentContentFolderId"])),
    (
        "ContentFolderMember",
        Oddity::Restricted(&["Id", "ParentContentFolderId", "ChildRecordId"]),
    ),
    (
        "CollaborationGroupRecord",
        Oddity::Restricted(&["CollaborationGroupId", "RecordId"]),
    ),
    ("IdeaComment", Oddity::Restricted(&["CommunityId", "IdeaId"])),
    ("Vote", Oddity::Restricted(&["ParentId", "Id"])),
    ("ContentHubItem", Oddity::Restricted(&["ContentHubRepositoryId", "Id"])),
    ("AppTabMember", Oddity::MustSpecify(&["AppDefinitionId"])),
    ("ColorDefinition", Oddity::MustSpecify(&["TabDefinitionId"])),
    ("IconDefinition", Oddity::MustSpecify(&["TabDefinitionId"])),
    ("DataStatistics", Oddity::External("Where clauses should contain StatType")),
    ("DatacloudAddress", Oddity::ExternalDown),
    (
        "DataType",
        Oddity::External("The WHERE clause must contain a JobType field expression."),
    ),
    (
        "PlatformAction",
        Oddity::External("Getting all PlatformAction entities is unsupported"),
    ),
    ("DataAssetSemanticGraphEdge", Oddity::DataCloudOff),
];

/// An object that only refuses. Those that a filter opens have the fields to filter by.
pub(crate) fn refusing(name: &str) -> Option<Draft> {
    let (_, oddity) = REFUSING.iter().find(|(n, _)| *n == name)?;
    let mut draft = Draft::setup(name, "")
        .read_only()
        .not_replicateable()
        .audit(Audit::Nothing)
        .odd(*oddity);
    let filters = match oddity {
        Oddity::Reified(fields) | Oddity::Restricted(fields) | Oddity::MustSpecify(fields) => *fields,
        Oddity::RecordAccess => &["RecordId", "UserId"],
        _ => &[],
    };
    draft.schema.retrieveable = false;
    let filters = filters.iter().filter(|name| **name != "Id");
    Some(draft.with(filters.map(|name| given(name, 255, Kind::Key(format!("{name}-"))).read_only())))
}
