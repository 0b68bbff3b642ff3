//! The sizes of org that tests need, each with its objects and rows. Most objects are small or empty, as in real orgs.

use chrono::DateTime;

use crate::org::{
    generate::{dice, dice::seed_of, setup::REFUSING},
    spec::{Language, OrgSpec},
};

/// 2026-06-01T00:00:00Z.
const NOW: i64 = 1_780_272_000;

/// What every org has.
pub(crate) fn base(seed: u64) -> OrgSpec {
    let now = DateTime::from_timestamp(NOW, 0).unwrap_or_default();
    [("Organization", 1), ("User", 5), ("Profile", 3), ("UserPermissionAccess", 1)]
        .iter()
        .fold(
            OrgSpec {
                seed,
                now,
                language: Language::default(),
                objects: Vec::new(),
                person_accounts: false,
                instance: *b"Fk",
            },
            |spec, (name, rows)| spec.with_rows(name, *rows),
        )
}

pub(crate) fn of(seed: u64, objects: &[(&str, u64)]) -> OrgSpec {
    objects
        .iter()
        .fold(base(seed), |spec, (name, rows)| spec.with_rows(name, *rows))
}

pub(crate) fn tiny(seed: u64) -> OrgSpec {
    of(
        seed,
        &[
            ("Account", 60),
            ("Contact", 150),
            ("Opportunity", 70),
            ("Task", 120),
            ("Attachment", 8),
            ("Invoice__c", 90),
            ("AccountHistory", 40),
            ("Group", 3),
        ],
    )
}

const SMALL: &[(&str, u64)] = &[
    ("Account", 2_400),
    ("Contact", 4_600),
    ("Lead", 1_300),
    ("Opportunity", 2_100),
    ("OpportunityLineItem", 2_300),
    ("OpportunityContactRole", 300),
    ("Product2", 120),
    ("Pricebook2", 4),
    ("PricebookEntry", 240),
    ("Campaign", 20),
    ("CampaignMember", 500),
    ("Case", 900),
    ("CaseComment", 600),
    ("Task", 2_500),
    ("Event", 700),
    ("Contract", 60),
    ("Order", 90),
    ("OrderItem", 260),
    ("Asset", 150),
    ("Note", 40),
    ("Attachment", 60),
    ("ContentDocument", 80),
    ("ContentVersion", 95),
    ("ContentDocumentLink", 130),
    ("Group", 12),
    ("UserRole", 8),
    ("RecordType", 0),
    ("PermissionSet", 10),
    ("FieldPermissions", 420),
    ("EntityDefinition", 0),
    ("AppDefinition", 14),
    ("UserRecordAccess", 0),
    ("FieldDefinition", 0),
    ("OpenActivity", 0),
    ("AccountHistory", 900),
    ("AccountShare", 300),
    ("AccountFeed", 120),
    ("AccountChangeEvent", 0),
    ("Invoice__c", 800),
    ("acme__Shipment__c", 350),
    ("Region_Setting__c", 3),
    ("Tariff__mdt", 25),
];

pub(crate) fn small(seed: u64) -> OrgSpec {
    of(seed, SMALL).with_rows("User", 25).with_rows_per_stamp("Lead", 650)
}

/// Standard objects beyond those with an entry of their own.
pub(crate) const ORDINARY: &[&str] = &[
    "AcceptedEventRelation",
    "AccountBrand",
    "AccountCleanInfo",
    "AccountContactRole",
    "AccountPartner",
    "AccountTeamMember",
    "ActionLinkGroupTemplate",
    "ActionLinkTemplate",
    "AdditionalNumber",
    "Address",
    "AlternativePaymentMethod",
    "Announcement",
    "ApexComponent",
    "ApexEmailNotification",
    "ApexLog",
    "ApexPage",
    "ApexPageInfo",
    "ApexTestQueueItem",
    "ApexTestResult",
    "ApexTestRunResult",
    "ApexTestSuite",
    "AppMenuItem",
    "ApiAnomalyEventStore",
    "AppointmentInvitation",
    "AppointmentTopicTimeSlot",
    "AssetRelationship",
    "AssetStatePeriod",
    "AssignedResource",
    "AssignmentRule",
    "AssociatedLocation",
    "AsyncApexJob",
    "AuraDefinition",
    "AuraDefinitionBundle",
    "AuthConfig",
    "AuthProvider",
    "AuthSession",
    "AuthorizationForm",
    "AuthorizationFormConsent",
    "AuthorizationFormDataUse",
    "AuthorizationFormText",
    "BackgroundOperation",
    "BrandTemplate",
    "BrandingSet",
    "BrandingSetProperty",
    "BriefcaseDefinition",
    "BusinessBrand",
    "BusinessHours",
    "BusinessProcess",
    "CalendarView",
    "CallCenter",
    "CampaignMemberStatus",
    "CardPaymentMethod",
    "CaseContactRole",
    "CaseSolution",
    "CategoryData",
    "CategoryNode",
    "ChatterActivity",
    "ChatterExtension",
    "ClientBrowser",
    "CollaborationGroup",
    "CollaborationGroupMember",
    "CollaborationInvitation",
    "CommSubscription",
    "CommSubscriptionConsent",
    "CommSubscriptionTiming",
    "Community",
    "ConferenceNumber",
    "ConnectedApplication",
    "ConsumptionRate",
    "ConsumptionSchedule",
    "ContactCleanInfo",
    "ContactPointAddress",
    "ContactPointConsent",
    "ContactPointEmail",
    "ContactPointPhone",
    "ContactRequest",
    "ContentAsset",
    "ContentDistribution",
    "ContentDistributionView",
    "ContentDocumentSubscription",
    "ContentFolder",
    "ContentFolderLink",
    "ContentNotification",
    "ContentTagSubscription",
    "ContentUserSubscription",
    "ContentVersionComment",
    "ContentVersionRating",
    "ContentWorkspace",
    "ContentWorkspaceDoc",
    "ContentWorkspaceMember",
    "ContentWorkspacePermission",
    "ContractContactRole",
    "Conversation",
    "ConversationEntry",
    "CorsWhitelistEntry",
    "CreditMemo",
    "CreditMemoLine",
    "CronJobDetail",
    "CronTrigger",
    "CspTrustedSite",
    "CustomBrand",
    "CustomBrandAsset",
    "CustomHelpMenuItem",
    "CustomHelpMenuSection",
    "CustomHttpHeader",
    "CustomObjectUserLicenseMetrics",
    "CustomPermission",
    "CustomPermissionDependency",
    "DandBCompany",
    "Dashboard",
    "DashboardComponent",
    "DataAssessmentMetric",
    "DataUseLegalBasis",
    "DataUsePurpose",
    "DatedConversionRate",
    "DeclinedEventRelation",
    "DigitalWallet",
    "Domain",
    "DomainSite",
    "DuplicateRecordItem",
    "DuplicateRecordSet",
    "DuplicateRule",
    "EmailCapture",
    "EmailDomainFilter",
    "EmailDomainKey",
    "EmailMessageRelation",
    "EmailRelay",
    "EmailServicesAddress",
    "EmailServicesFunction",
    "EmbeddedServiceDetail",
    "EmbeddedServiceLabel",
    "EngagementChannelType",
    "EnhancedLetterhead",
    "EntitySubscription",
    "EventBusSubscriber",
    "EventLogFile",
    "EventRelation",
    "ExpressionFilter",
    "ExpressionFilterCriteria",
    "ExternalDataSource",
    "ExternalEvent",
    "ExternalEventMapping",
    "FeedAttachment",
    "FeedComment",
    "FeedItem",
    "FeedPollChoice",
    "FeedPollVote",
    "FeedRevision",
    "FileSearchActivity",
    "FinanceBalanceSnapshot",
    "FinanceTransaction",
    "FiscalYearSettings",
    "FlowInterview",
    "FlowInterviewLog",
    "FlowRecordRelation",
    "FlowStageRelation",
    "FormulaFunction",
    "FulfillmentOrder",
    "GrantedByLicense",
    "Holiday",
    "IPAddressRange",
    "Idea",
    "Image",
    "Individual",
    "InstalledMobileApp",
    "Invoice",
    "InvoiceLine",
    "KnowledgeableUser",
    "Knowledge__kav",
    "LegalEntity",
    "LightningExperienceTheme",
    "ListEmail",
    "ListEmailIndividualRecipient",
    "ListEmailRecipientSource",
    "ListView",
    "ListViewChart",
    "Location",
    "LocationGroup",
    "LoginGeo",
    "LoginIp",
    "Macro",
    "MacroInstruction",
    "MailmergeTemplate",
    "MatchingInformation",
    "MatchingRule",
    "MatchingRuleItem",
    "MobileApplicationDetail",
    "MsgChannelLanguageKeyword",
    "MyDomainDiscoverableLogin",
    "NamedCredential",
    "NavigationLinkSet",
    "NavigationMenuItem",
    "Network",
    "OperatingHours",
    "OpportunityCompetitor",
    "OpportunityPartner",
];

/// Objects with feeds, history, shares and change events, as far as the org has room for them.
const WITH_SATELLITES: &[&str] = &[
    "Account",
    "Contact",
    "Lead",
    "Opportunity",
    "Case",
    "Contract",
    "Order",
    "Asset",
    "Product2",
    "Campaign",
    "OrderItem",
    "ContentDocument",
];

/// Objects of the large org that have so many rows.
const ROWS: &[(&str, u64)] = &[
    ("Account", 6_000),
    ("Contact", 11_000),
    ("Task", 9_000),
    ("Opportunity", 4_000),
    ("OpportunityLineItem", 5_000),
    ("AccountHistory", 4_000),
    ("OauthToken", 3_100),
    ("LoginHistory", 2_500),
    ("LoginEvent", 40),
    ("TabDefinition", 90),
    ("RecentlyViewed", 60),
    ("ObjectPermissions", 700),
    ("PermissionSetAssignment", 130),
    ("GroupMember", 40),
    ("Folder", 12),
    ("Document", 9),
    ("EmailMessage", 450),
    ("EmailTemplate", 30),
    ("ApexClass", 140),
    ("ApexTrigger", 15),
    ("UserLicense", 6),
    ("Click__b", 400),
    ("Erp_Order__x", 150),
    ("Erp_Customer__x", 30),
];

/// Objects that name the values of a status.
const STATUSES: &[&str] = &[
    "CaseStatus",
    "ContractStatus",
    "OrderStatus",
    "SolutionStatus",
    "TaskStatus",
    "TaskPriority",
    "WorkOrderStatus",
];

/// Objects that the org's own people and its packages have defined.
const CUSTOMS: &[&str] = &[
    "Invoice__History",
    "Invoice__Share",
    "Invoice__Feed",
    "Invoice_Line__c",
    "acme__Parcel__c",
    "acme__Parcel__History",
    "acme__Route__mdt",
    "acme__Main_Setting__c",
    "zeta__Visit__c",
    "zeta__Visit__Share",
    "zeta__Survey__c",
    "zeta__Answer__c",
    "Country__mdt",
    "Feature__mdt",
    "Project__c",
    "Milestone__c",
    "Timesheet__c",
];

/// 406 objects, of which 61 refuse.
pub(crate) fn real(seed: u64) -> OrgSpec {
    const OBJECTS: usize = 406;
    const REFUSE: usize = 61;
    let mut spec = small(seed);
    for (name, rows) in ROWS {
        spec = spec.with_rows(name, *rows);
    }
    spec = spec.with_rows_per_stamp("Contact", 4_000);
    for (name, _) in REFUSING {
        spec = spec.with_rows(name, 0);
    }
    for status in STATUSES {
        spec = spec.with_rows(status, 4);
    }
    let mut refusing = REFUSING.len() + 2; // AccountChangeEvent and ContentDocumentLink are there already
    for name in WITH_SATELLITES {
        for ending in ["Feed", "History", "Share"] {
            spec = spec.with_rows(&format!("{name}{ending}"), 0);
        }
        if refusing < REFUSE && *name != "Account" {
            spec = spec.with_rows(&format!("{name}ChangeEvent"), 0);
            refusing += 1;
        }
    }
    for name in ORDINARY.iter().chain(CUSTOMS) {
        let rows = spec
            .objects
            .iter()
            .find(|o| o.name == *name)
            .map_or_else(|| skewed(seed, name), |o| o.rows);
        spec = spec.with_rows(name, rows);
    }
    for name in WITH_SATELLITES
        .iter()
        .flat_map(|name| [format!("{name}Feed"), format!("{name}History"), format!("{name}Share")])
    {
        let rows = skewed(seed, &name);
        spec = if name == "AccountHistory" {
            spec
        } else {
            spec.with_rows(&name, rows)
        };
    }
    let mut number = 0;
    while spec.objects.len() < OBJECTS {
        number += 1;
        let name = format!("legacy__Object_{number:03}__c");
        let rows = skewed(seed, &name);
        spec = spec.with_rows(&name, rows);
    }
    spec
}

/// Rows of an object that nobody named: often none, rarely many.
fn skewed(seed: u64, name: &str) -> u64 {
    let roll = dice(seed_of(seed, name), 0);
    let size = roll >> 32;
    match roll % 100 {
        0..45 => 0,
        45..76 => 1 + size % 30,
        76..95 => 30 + size % 300,
        _ => 300 + size % 1_500,
    }
}

/// A few objects of over 500 fields.
pub(crate) fn wide(seed: u64) -> OrgSpec {
    of(
        seed,
        &[
            ("Account", 10_000),
            ("Contact", 500),
            ("Wide_A__c", 10_000),
            ("Wide_B__c", 10_000),
            ("Group", 3),
        ],
    )
    .with_extra_fields("Account", 500)
    .with_extra_fields("Wide_A__c", 560)
    .with_extra_fields("Wide_B__c", 780)
}

/// 60 objects and 1,000,000 rows, over half of them in four objects.
pub(crate) fn million(seed: u64) -> OrgSpec {
    const OBJECTS: usize = 60;
    const ROWS: u64 = 1_000_000;
    let mut spec = of(
        seed,
        &[
            ("Account", 120_000),
            ("Contact", 180_000),
            ("Task", 200_000),
            ("Opportunity", 90_000),
            ("OpportunityLineItem", 110_000),
            ("Lead", 60_000),
            ("Case", 50_000),
            ("AccountHistory", 40_000),
            ("Product2", 2_000),
            ("Pricebook2", 5),
            ("PricebookEntry", 6_000),
            ("Campaign", 200),
            ("CampaignMember", 15_000),
            ("Event", 12_000),
            ("Group", 20),
            ("UserRole", 15),
            ("RecordType", 0),
        ],
    )
    .with_rows("User", 150)
    .with_rows_per_stamp("Lead", 5_000);
    for number in spec.objects.len()..OBJECTS - 1 {
        let name = format!("Record_{number:02}__c");
        let rows = match number % 5 {
            0 => 0,
            1 => 4_000,
            place => place as u64 * 300,
        };
        spec = spec.with_rows(&name, rows);
    }
    let rest = ROWS - spec.total_rows() - record_types();
    spec.with_rows("Invoice__c", rest)
}

/// Rows that `RecordType` gets from the objects of the million preset.
fn record_types() -> u64 {
    6
}
