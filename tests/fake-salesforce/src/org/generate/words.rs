//! Texts of realistic shape: names in several scripts, addresses, and sentences that hold what breaks naive readers (quotes,
//! backslashes, line ends, commas, emoji, combining marks, right-to-left).

use crate::org::generate::dice;

/// What a text field is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    First,
    Last,
    Company,
    Product,
    Street,
    City,
    State,
    PostalCode,
    Country,
    Title,
    Email,
    Phone,
    Url,
    Sentence,
    Lines,
    Html,
    Code,
    FileName,
    DeveloperName,
}

const FIRST: &[&str] = &[
    "Anna", "Björn", "Chloé", "Dmitri", "Ewa", "Fátima", "Giorgos", "Hana", "Ivo", "José", "Keiko", "Łukasz", "Mei", "Ngọc",
    "Olu", "Søren", "田中", "Zoë",
];
const LAST: &[&str] = &[
    "Andersen",
    "Bøgh",
    "Çelik",
    "D'Arcy",
    "Ekström",
    "García-López",
    "Hossain",
    "Ivanova",
    "Jørgensen",
    "Kowalski",
    "Müller",
    "Nakamura",
    "O'Brien",
    "Papadópoulos",
    "Quraishi",
    "Ångström",
    "佐藤",
    "van den Berg",
];
const COMPANY: &[&str] = &[
    "Acme",
    "Blåbær",
    "Cité Lumière",
    "Delta \"Prime\"",
    "Étoile",
    "Fabrikam",
    "Globex",
    "Høst & Sønner",
    "株式会社青空",
    "Müller, Meier",
    "Northwind",
    "Ωmega",
];
const LEGAL_FORM: &[&str] = &["A/S", "AB", "GmbH & Co. KG", "Inc.", "Ltd", "S.A.", "SpA", "LLC", "合同会社"];
const STREETS: &[&str] = &[
    "Main Street",
    "Strøget",
    "Königsallee",
    "Rue de l'Église",
    "Calle Mayor",
    "Piazza Navona",
    "桜通り",
];
const CITIES: &[&str] = &[
    "Copenhagen",
    "Düsseldorf",
    "San José",
    "Zürich",
    "Łódź",
    "Osaka",
    "São Paulo",
    "Reykjavík",
    "Austin",
];
const STATES: &[&str] = &["CA", "TX", "NY", "NRW", "Hovedstaden", "Bayern", "大阪府"];
const COUNTRIES: &[&str] = &["US", "DK", "DE", "CH", "PL", "JP", "BR", "IS", "FR"];
const TITLES: &[&str] = &[
    "CEO",
    "VP, Sales",
    "Office Manager",
    "Leiter F&E",
    "Directrice générale",
    "Buyer",
    "部長",
];
const SUBJECTS: &[&str] = &[
    "The customer",
    "Our \"key\" contact",
    "Support",
    "Einkauf",
    "La directrice",
    "営業部",
    "O'Neill's team",
    "Procurement \\ Finance",
];
const VERBS: &[&str] = &[
    "asked for",
    "rejected",
    "will renew",
    "hat bestätigt:",
    "wants (again)",
    "signed",
    "😀 loves",
    "は確認した",
];
const MATTERS: &[&str] = &[
    "the offer of 5,000 units",
    "a discount > 10 %",
    "the \"Premium\" plan",
    "C:\\contracts\\2026",
    "Lieferung bis Freitag",
    "l'échéancier",
    "見積書",
    "the <b>new</b> terms & conditions",
    "naïve café résumé e\u{301}",
    "שלום עולם",
    "100% satisfaction 👩‍👩‍👧‍👦",
];

fn one<'a>(pool: &[&'a str], d: u64, place: u64) -> &'a str {
    pool[(dice(d, place) % pool.len() as u64) as usize]
}

impl Words {
    /// The text that the dice `d` give, at most `length` characters of it.
    pub fn text(self, d: u64, length: u32) -> String {
        let number = dice(d, 99);
        let text = match self {
            Words::First => one(FIRST, d, 1).to_owned(),
            Words::Last => one(LAST, d, 1).to_owned(),
            Words::Company => format!("{} {} {}", one(COMPANY, d, 1), one(LEGAL_FORM, d, 2), number % 10_000),
            Words::Product => format!(
                "{} {}{}",
                one(&["Generator", "Panel", "Lizenz", "Câble", "センサー"], d, 1),
                (b'A' + (number % 26) as u8) as char,
                number % 1000
            ),
            Words::Street => format!(
                "{} {}\n{}",
                number % 400 + 1,
                one(STREETS, d, 1),
                one(&["2nd floor", "c/o Müller", "Bâtiment B", "—"], d, 2)
            ),
            Words::City => one(CITIES, d, 1).to_owned(),
            Words::State => one(STATES, d, 1).to_owned(),
            Words::PostalCode => format!("{:05}", number % 100_000), // leading zeros: a text, not a number
            Words::Country => one(COUNTRIES, d, 1).to_owned(),
            Words::Title => one(TITLES, d, 1).to_owned(),
            Words::Email => format!("user{}@example.com", number % 1_000_000),
            Words::Phone => format!(
                "+{} {} {:06}",
                number % 90 + 10,
                number / 7 % 900 + 100,
                number / 11 % 1_000_000
            ),
            Words::Url => format!(
                "https://example.com/{}?a=1&b=%20{}",
                one(&["shop", "über-uns", "produits"], d, 1),
                number % 10_000
            ),
            Words::Sentence => sentence(d),
            Words::Lines => (0..number % 6 + 2)
                .map(|line| sentence(dice(d, line)))
                .collect::<Vec<_>>()
                .join(if number & 64 == 0 { "\r\n" } else { "\n" }),
            Words::Html => format!(
                "<p>{}</p><ul><li class=\"x\">{}</li></ul>",
                sentence(d).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
                number % 1000
            ),
            Words::Code => format!("{:08X}", number as u32),
            Words::FileName => format!(
                "{} {}.{}",
                one(&["Contract", "Angebot", "facture", "写真", "a,b;c"], d, 1),
                number % 10_000,
                one(&["pdf", "docx", "png", "txt"], d, 2)
            ),
            Words::DeveloperName => format!(
                "{}_{}",
                one(&["Alpha", "Beta", "Gamma", "Delta", "Omega"], d, 1),
                number % 100_000
            ),
        };
        // `nth` finds the byte where the character after the last allowed begins.
        match text.char_indices().nth(length as usize) {
            Some((cut, _)) => text[..cut].trim_end().to_owned(),
            None => text,
        }
    }
}

fn sentence(d: u64) -> String {
    format!("{} {} {}.", one(SUBJECTS, d, 11), one(VERBS, d, 12), one(MATTERS, d, 13))
}
