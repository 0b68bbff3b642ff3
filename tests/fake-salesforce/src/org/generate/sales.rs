//! The standard objects that people work with: accounts to orders, cases, activities, files.

use crate::org::{
    field::{Field, FieldType},
    generate::{
        draft::{Audit, Draft},
        fields::*,
        refusals::Oddity,
        shape::Kind,
        words::Words,
    },
    standard::PERSON_TYPE,
};

const INDUSTRIES: &[&str] = &[
    "Agriculture",
    "Banking",
    "Chemicals",
    "Education",
    "Energy",
    "Healthcare",
    "Retail",
    "Technology",
    "Utilities",
];
const SOURCES: &[&str] = &["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"];
const STAGES: &[&str] = &[
    "Prospecting",
    "Qualification",
    "Proposal/Price Quote",
    "Negotiation/Review",
    "Closed Won",
    "Closed Lost",
];

/// The object of this name, if it is one of these.
#[expect(clippy::too_many_lines, reason = "data: one arm an object")]
pub(crate) fn object(name: &str) -> Option<Draft> {
    Some(match name {
        "Account" => account(),
        "Contact" => contact(),
        "Lead" => lead(),
        "Opportunity" => opportunity(),
        "OpportunityLineItem" => opportunity_line_item(),
        "OpportunityContactRole" => Draft::business(name, "00K").with([
            lookup("OpportunityId", &["Opportunity"])
                .mandatory()
                .set_once()
                .cascading()
                .children("OpportunityContactRoles"),
            lookup("ContactId", &["Contact"])
                .mandatory()
                .cascading()
                .children("OpportunityContactRoles"),
            picklist("Role", &["Business User", "Decision Maker", "Executive Sponsor"]),
            flag("IsPrimary", 20),
        ]),
        "Product2" => Draft::business(name, "01t").with([
            text("Name", 255, Words::Product).mandatory().naming(),
            external_key("ProductCode", "SKU-"),
            area("Description", 4000, Words::Lines),
            flag("IsActive", 90),
            picklist("Family", &["Hardware", "Software", "Service"]),
        ]),
        "Pricebook2" => Draft::business(name, "01s").with([
            text("Name", 255, Words::Product).mandatory().naming(),
            flag("IsActive", 100),
            flag("IsStandard", 0).read_only().shaped(Kind::FirstRow),
            area("Description", 255, Words::Sentence),
        ]),
        "PricebookEntry" => Draft::setup(name, "01u").with([
            text("Name", 255, Words::Product).read_only().filled(100).naming(),
            lookup("Pricebook2Id", &["Pricebook2"])
                .mandatory()
                .set_once()
                .restricting()
                .children("PricebookEntries"),
            lookup("Product2Id", &["Product2"])
                .mandatory()
                .set_once()
                .cascading()
                .children("PricebookEntries"),
            currency("UnitPrice").mandatory(),
            flag("IsActive", 95),
            flag("UseStandardPrice", 10),
        ]),
        "Campaign" => Draft::business(name, "701").feeds().owned(&["User"], false).with([
            text("Name", 80, Words::Product).mandatory().naming(),
            parent_of_same("ParentId", "Campaign").children("ChildCampaigns"),
            picklist("Type", &["Conference", "Webinar", "Email", "Telemarketing"]),
            picklist("Status", &["Planned", "In Progress", "Completed"]),
            date("StartDate"),
            currency("BudgetedCost"),
            double("NumberSent", 6, 0),
        ]),
        "CampaignMemberStatus" => Draft::setup(name, "01Y").with([
            lookup("CampaignId", &["Campaign"])
                .mandatory()
                .set_once()
                .cascading()
                .children("CampaignMemberStatuses"),
            text("Label", 765, Words::Title).mandatory().naming(),
            integer("SortOrder", 1, 20),
            flag("IsDefault", 10),
            flag("HasResponded", 30),
        ]),
        "AccountContactRelation" => Draft::business(name, "07k").with([
            lookup("AccountId", &["Account"])
                .mandatory()
                .set_once()
                .cascading()
                .children("AccountContactRelations"),
            lookup("ContactId", &["Contact"])
                .mandatory()
                .set_once()
                .cascading()
                .children("AccountContactRelations"),
            multi_picklist("Roles", &["Business User", "Decision Maker", "Influencer"]),
            flag("IsDirect", 0).read_only(),
            flag("IsActive", 95),
            date("StartDate").filled(20),
        ]),
        "CampaignMember" => Draft::setup(name, "00v").with([
            lookup("CampaignId", &["Campaign"])
                .mandatory()
                .set_once()
                .cascading()
                .children("CampaignMembers"),
            lookup("LeadId", &["Lead"]).set_once().cascading().children("CampaignMembers"),
            lookup("ContactId", &["Contact"])
                .set_once()
                .cascading()
                .children("CampaignMembers"),
            picklist("Status", &["Sent", "Responded"]),
            flag("HasResponded", 30).read_only(),
        ]),
        "Case" => case(),
        "CaseComment" => Draft::setup(name, "00a").with([
            lookup("ParentId", &["Case"])
                .mandatory()
                .set_once()
                .cascading()
                .children("CaseComments"),
            flag("IsPublished", 40),
            area("CommentBody", 4000, Words::Lines),
        ]),
        "Task" => task(),
        "Event" => event(),
        "Contract" => Draft::business(name, "800").owned(&["User"], false).with([
            lookup("AccountId", &["Account"])
                .mandatory()
                .restricting()
                .children("Contracts"),
            auto_number("ContractNumber", ""),
            picklist("Status", &["Draft", "In Approval Process", "Activated"]).defaulted(),
            date("StartDate"),
            integer("ContractTerm", 1, 60),
            area("SpecialTerms", 4000, Words::Lines).filled(15),
        ]),
        "Order" => Draft::business(name, "801").owned(&["User", "Group"], false).with([
            lookup("AccountId", &["Account"]).restricting().children("Orders"),
            lookup("ContractId", &["Contract"]).filled(20).children("Orders"),
            lookup("Pricebook2Id", &["Pricebook2"]).filled(80),
            auto_number("OrderNumber", ""),
            date("EffectiveDate").mandatory(),
            picklist("Status", &["Draft", "Activated"]).mandatory(),
            currency("TotalAmount").read_only(),
        ]),
        "OrderItem" => Draft::business(name, "802").with([
            lookup("OrderId", &["Order"])
                .mandatory()
                .set_once()
                .cascading()
                .children("OrderItems"),
            lookup("PricebookEntryId", &["PricebookEntry"])
                .set_once()
                .restricting()
                .filled(100),
            double("Quantity", 4, 2).mandatory(),
            currency("UnitPrice"),
        ]),
        "Asset" => Draft::business(name, "02i").owned(&["User"], false).with([
            text("Name", 255, Words::Product).mandatory().naming(),
            lookup("AccountId", &["Account"]).cascading().children("Assets"),
            lookup("ContactId", &["Contact"]).children("Assets"),
            lookup("Product2Id", &["Product2"]),
            parent_of_same("ParentId", "Asset").children("ChildAssets"),
            text("SerialNumber", 80, Words::Code),
            date("InstallDate"),
        ]),
        "EmailMessage" => Draft::business(name, "02s").with([
            lookup("ParentId", &["Case"]).set_once().cascading().children("EmailMessages"),
            lookup("RelatedToId", &["Account", "Case", "Opportunity"]).filled(30),
            area("TextBody", 131_072, Words::Lines),
            Field {
                html_formatted: true,
                ..area("HtmlBody", 131_072, Words::Html)
            },
            text("Subject", 3000, Words::Sentence),
            email("FromAddress"),
            picklist("Status", &["0", "1", "2", "3"]).mandatory(),
            datetime("MessageDate"),
        ]),
        "Note" => Draft::business(name, "002").owned(&["User"], true).with([
            lookup("ParentId", &["Account", "Contact", "Opportunity", "Lead"])
                .mandatory()
                .set_once()
                .cascading()
                .children("Notes"),
            text("Title", 80, Words::Sentence).mandatory().naming(),
            flag("IsPrivate", 5),
            area("Body", 32_000, Words::Lines),
        ]),
        "Attachment" => Draft::business(name, "00P").owned(&["User"], true).not_bulk().with([
            lookup("ParentId", &["Account", "Case", "Contact", "Opportunity"])
                .mandatory()
                .set_once()
                .cascading()
                .children("Attachments"),
            text("Name", 255, Words::FileName).mandatory().naming(),
            flag("IsPrivate", 5),
            text("ContentType", 120, Words::Code).filled(40),
            integer("BodyLength", 0, 0)
                .read_only()
                .shaped(Kind::BodyLength("Body".into())),
            body("Body", 0, 60_000, 0).mandatory(),
            area("Description", 500, Words::Sentence).filled(10),
        ]),
        "Document" => Draft::setup(name, "015").with([
            lookup("FolderId", &["Folder", "User"]).mandatory(),
            text("Name", 255, Words::FileName).mandatory().naming(),
            text("DeveloperName", 80, Words::DeveloperName).defaulted(),
            text("ContentType", 120, Words::Code),
            integer("BodyLength", 0, 0)
                .read_only()
                .shaped(Kind::BodyLength("Body".into())),
            body("Body", 0, 20_000, 0),
        ]),
        "ContentDocument" => Draft::setup(name, "069")
            .not_createable()
            .owned(&["User"], true)
            .archives(0)
            .with([
                text("Title", 255, Words::FileName).mandatory().naming(),
                lookup("LatestPublishedVersionId", &["ContentVersion"])
                    .read_only()
                    .filled(100),
                picklist("FileType", &["PDF", "WORD_X", "PNG", "TEXT"]).read_only(),
                area("Description", 1000, Words::Sentence).filled(10),
            ]),
        "ContentVersion" => Draft::setup(name, "068").owned(&["User"], true).with([
            lookup("ContentDocumentId", &["ContentDocument"])
                .set_once()
                .filled(100)
                .cascading()
                .children("ContentVersions"),
            flag("IsLatest", 90).read_only(),
            text("VersionNumber", 20, Words::PostalCode).read_only(),
            text("Title", 255, Words::FileName).filled(100).naming(),
            text("PathOnClient", 500, Words::FileName).set_once().filled(100),
            picklist("FileType", &["PDF", "WORD_X", "PNG", "TEXT"]).read_only(),
            given(
                "FileExtension",
                40,
                Kind::OneOf(["pdf", "docx", "png", "txt"].map(crate::org::Value::text).into()),
            )
            .read_only(),
            integer("ContentSize", 0, 0)
                .read_only()
                .shaped(Kind::BodyLength("VersionData".into())),
            given("Checksum", 50, Kind::BodyChecksum("VersionData".into())).read_only(),
            lookup("FirstPublishLocationId", &["Account", "User", "Case"])
                .set_once()
                .filled(30),
            body("VersionData", 1, 200_000, 12).set_once(),
        ]),
        "ContentDocumentLink" => Draft::setup(name, "06A")
            .audit(Audit::Nothing)
            .odd(Oddity::RestrictedFiles(&["ContentDocumentId", "LinkedEntityId"]))
            .with([
                lookup("LinkedEntityId", &["Account", "Case", "Contact", "Opportunity", "User"])
                    .mandatory()
                    .set_once()
                    .cascading()
                    .children("ContentDocumentLinks"),
                lookup("ContentDocumentId", &["ContentDocument"])
                    .mandatory()
                    .set_once()
                    .cascading()
                    .children("ContentDocumentLinks"),
                of_row("IsDeleted", FieldType::Boolean, Kind::IsDeleted),
                of_row("SystemModstamp", FieldType::Datetime, Kind::SystemModstamp),
                picklist("ShareType", &["V", "C", "I"]).defaulted(),
                picklist("Visibility", &["AllUsers", "InternalUsers"]).defaulted(),
            ]),
        _ => return None,
    })
}

pub(crate) fn auto_number(name: &str, prefix: &str) -> Field {
    let base = given(name, 30, Kind::AutoNumber(prefix.to_owned())).naming().read_only();
    Field {
        auto_number: true,
        nillable: false,
        defaulted_on_create: true,
        permissionable: false,
        ..base
    }
}

fn account() -> Draft {
    let mut account = Draft::business("Account", "001")
        .feeds()
        .typed(&["Business_Account", "Household"])
        .with([
            text("Name", 255, Words::Company).mandatory().naming(),
            picklist("Type", &["Prospect", "Customer - Direct", "Customer - Channel", "Partner"]),
            lookup("MasterRecordId", &["Account"]).read_only().filled(0),
            parent_of_same("ParentId", "Account").children("ChildAccounts"),
        ])
        .with(address("Billing"))
        .with(address("Shipping"))
        .with([
            phone("Phone"),
            phone("Fax").filled(15),
            external_key("AccountNumber", "ACC-"),
            url("Website"),
            picklist("Industry", INDUSTRIES),
            currency("AnnualRevenue"),
            integer("NumberOfEmployees", 1, 250_000),
            area("Description", 32_000, Words::Lines).filled(30),
            picklist("Rating", &["Hot", "Warm", "Cold"]).filled(35),
        ])
        .owned(&["User"], true)
        .with([
            external_key("Legacy_Key__c", "LEG-"),
            eighteen_digits("Ledger_Number__c"),
            formula("Points__c", "NumberOfEmployees"),
            encrypted("Tax_Number__c"),
            rich_text("Profile_Text__c"),
            multi_picklist("Regions__c", &["EMEA", "AMER", "APAC", "DACH, Alps"]),
            time("Opens_At__c"),
        ])
        .with(place("Warehouse"));
    account.schema.mergeable = true;
    account
}

/// Lets accounts and their contacts be people, where the draft is of one of them.
pub(crate) fn let_be_people(draft: &mut Draft) {
    let is_person = || flag("IsPersonAccount", 0).read_only();
    match draft.schema.name.as_str() {
        "Account" => {
            draft.record_types = &["Business_Account", "Household", PERSON_TYPE];
            draft.schema.fields.extend([
                text("LastName", 80, Words::Last),
                text("FirstName", 40, Words::First),
                email("PersonEmail"),
                is_person(),
                lookup("PersonContactId", &["Contact"]).read_only().filled(0),
            ]);
        }
        "Contact" => draft.schema.fields.push(is_person()),
        _ => {}
    }
}

fn person_name() -> [Field; 3] {
    let part = |field: Field| Field {
        compound_field_name: Some("Name".into()),
        ..field
    };
    [
        part(text("LastName", 80, Words::Last).mandatory()),
        part(text("FirstName", 40, Words::First).filled(90)),
        given("Name", 121, Kind::Joined(vec!["FirstName".into(), "LastName".into()]))
            .naming()
            .read_only(),
    ]
}

fn contact() -> Draft {
    Draft::business("Contact", "003")
        .feeds()
        .with([lookup("AccountId", &["Account"]).filled(92).cascading().children("Contacts")])
        .with(person_name())
        .with([picklist("Salutation", &["Mr.", "Ms.", "Dr.", "Prof."]).filled(40)])
        .with(address("Mailing"))
        .with(address("Other").into_iter().map(|f| f.filled(4)))
        .with([
            phone("Phone"),
            phone("MobilePhone"),
            email("Email"),
            parent_of_same("ReportsToId", "Contact"),
            text("Title", 128, Words::Title),
            date("Birthdate").filled(20),
            area("Description", 32_000, Words::Lines).filled(15),
            flag("DoNotCall", 5),
            external_key("Legacy_Key__c", "CON-"),
        ])
        .owned(&["User"], true)
}

fn lead() -> Draft {
    Draft::business("Lead", "00Q")
        .feeds()
        .with(person_name())
        .with([
            text("Company", 255, Words::Company).mandatory(),
            text("Title", 128, Words::Title),
        ])
        .with(address(""))
        .with([
            phone("Phone"),
            email("Email"),
            picklist("LeadSource", SOURCES),
            picklist(
                "Status",
                &["Open - Not Contacted", "Working - Contacted", "Closed - Converted"],
            )
            .defaulted(),
            flag("IsConverted", 10).read_only(),
            lookup("ConvertedAccountId", &["Account"]).read_only().filled(8),
            double("Score__c", 3, 4),
        ])
        .owned(&["User", "Group"], true)
}

fn opportunity() -> Draft {
    Draft::business("Opportunity", "006")
        .feeds()
        .typed(&["New_Business", "Renewal"])
        .with([
            lookup("AccountId", &["Account"])
                .filled(96)
                .cascading()
                .children("Opportunities"),
            text("Name", 120, Words::Product).mandatory().naming(),
            area("Description", 32_000, Words::Lines).filled(20),
            picklist("StageName", STAGES).mandatory(),
            currency("Amount"),
            percent("Probability"),
            date("CloseDate").mandatory(),
            picklist("LeadSource", SOURCES),
            flag("IsClosed", 45).read_only(),
            flag("IsWon", 25).read_only(),
            lookup("CampaignId", &["Campaign"]).filled(12).children("Opportunities"),
            lookup("Pricebook2Id", &["Pricebook2"]).filled(70),
            formula("Amount_Cents__c", "Quantity__c"),
            integer("Quantity__c", 0, 9_000_000),
        ])
        .owned(&["User"], true)
}

fn opportunity_line_item() -> Draft {
    Draft::business("OpportunityLineItem", "00k").with([
        lookup("OpportunityId", &["Opportunity"])
            .mandatory()
            .set_once()
            .cascading()
            .children("OpportunityLineItems"),
        lookup("PricebookEntryId", &["PricebookEntry"])
            .mandatory()
            .set_once()
            .restricting(),
        lookup("Product2Id", &["Product2"]).read_only().filled(100),
        double("Quantity", 4, 2).mandatory(),
        currency("TotalPrice"),
        currency("UnitPrice"),
        date("ServiceDate").filled(10),
        area("Description", 255, Words::Sentence),
        integer("SortOrder", 1, 40).read_only(),
    ])
}

fn case() -> Draft {
    Draft::business("Case", "500")
        .feeds()
        .typed(&["Complaint", "Question"])
        .with([
            auto_number("CaseNumber", ""),
            lookup("ContactId", &["Contact"]).children("Cases"),
            lookup("AccountId", &["Account"]).children("Cases"),
            parent_of_same("ParentId", "Case").children("Cases").filled(5),
            picklist("Status", &["New", "Working", "Escalated", "Closed"]).defaulted(),
            picklist("Priority", &["High", "Medium", "Low"]),
            picklist("Origin", &["Phone", "Email", "Web"]),
            text("Subject", 255, Words::Sentence),
            area("Description", 32_000, Words::Lines).filled(70),
            flag("IsClosed", 70).read_only(),
            datetime("ClosedDate").read_only(),
        ])
        .owned(&["User", "Group"], true)
}

const WHO: &[&str] = &["Contact", "Lead"];
const WHAT: &[&str] = &["Account", "Opportunity", "Case", "Campaign"];

fn task() -> Draft {
    Draft::business("Task", "00T")
        .archives(30)
        .with([
            lookup("WhoId", WHO).filled(50).children("Tasks"),
            lookup("WhatId", WHAT).filled(70).children("Tasks"),
            combobox("Subject", &["Call", "Email", "Send Quote"]).naming(),
            date("ActivityDate"),
            picklist("Status", &["Not Started", "In Progress", "Completed"]).defaulted(),
            picklist("Priority", &["High", "Normal", "Low"]).defaulted(),
            area("Description", 32_000, Words::Lines).filled(40),
            flag("IsClosed", 75).read_only(),
            integer("CallDurationInSeconds", 0, 3_600).filled(10),
        ])
        .owned(&["User", "Group"], true)
}

fn event() -> Draft {
    Draft::business("Event", "00U")
        .archives(40)
        .with([
            lookup("WhoId", WHO).filled(50).children("Events"),
            lookup("WhatId", WHAT).filled(70).children("Events"),
            combobox("Subject", &["Call", "Meeting"]).naming(),
            text("Location", 255, Words::City),
            flag("IsAllDayEvent", 5),
            datetime("ActivityDateTime"),
            integer("DurationInMinutes", 0, 480),
            area("Description", 32_000, Words::Lines).filled(30),
            picklist("ShowAs", &["Busy", "OutOfOffice", "Free"]).restricted(),
        ])
        .owned(&["User"], true)
}
