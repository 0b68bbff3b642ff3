//! The ways in which real objects refuse to be queried or answer oddly, with the codes and texts that were recorded of real orgs.
//!
//! Texts are given in the org's language where a translation is known to differ; codes never change.

use crate::org::{
    object::{Behaviour, Refusal, RequiredFilter, Truncation},
    spec::Language,
};

/// What is odd about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// `INVALID_TYPE_FOR_OPERATION`.
    NotQueryable,
    /// `MALFORMED_QUERY`, a filter on one of the reified columns is missing.
    Reified(&'static [&'static str]),
    /// `MALFORMED_QUERY`, Salesforce's "Implementation restriction" with a filter.
    Restricted(&'static [&'static str]),
    /// The same, not for users with Query All Files.
    RestrictedFiles(&'static [&'static str]),
    /// `MALFORMED_QUERY`: a field "must be specified in your query".
    MustSpecify(&'static [&'static str]),
    /// `EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION`, this text.
    External(&'static str),
    /// `EXTERNAL_OBJECT_EXCEPTION`: somebody else's system failed.
    ExternalDown,
    /// `DATACLOUD_API_DISABLED_EXCEPTION`.
    DataCloudOff,
    /// `INVALID_FIELD`: UserRecordAccess.
    RecordAccess,
    /// Rows can be read, `COUNT()` can't.
    Uncountable,
    /// One page only.
    NoQueryMore,
    /// No filter on Id and no ORDER BY Id.
    NoIdFilter,
    /// Every Id is the empty one.
    SharedId,
    /// Big objects: empty Ids, filters on the index alone, no counting.
    Big,
    /// External objects: the total isn't known.
    UnknownTotal,
    /// Ends after so many rows; the total says the cut number, or the true one.
    Ends { after_rows: u64, honest_total: bool },
}

impl Oddity {
    /// Sets the behaviour of the object of this name.
    #[expect(clippy::too_many_lines, reason = "a dispatch: one arm an oddity")]
    pub fn apply(self, behaviour: &mut Behaviour, object: &str, language: Language) {
        let bad = |code: &str, message: String| Refusal {
            status: 400,
            error_code: code.to_owned(),
            message,
        };
        let filter = |one_of: &[&str], message: String, lifted: bool| RequiredFilter {
            one_of: one_of.iter().map(|field| (*field).to_owned()).collect(),
            refusal: bad("MALFORMED_QUERY", message),
            lifted_by_query_all_files: lifted,
        };
        match self {
            Oddity::NotQueryable => {
                behaviour.refuses_query = Some(bad("INVALID_TYPE_FOR_OPERATION", not_queryable(object, language)));
                behaviour.in_record_count = false;
                behaviour.bulk = false;
            }
            Oddity::Reified(fields) => {
                let message = format!("{object}: {} [{}]", reified(language), fields.join(","));
                behaviour.required_filter = Some(filter(fields, message, false));
                behaviour.bulk = false;
            }
            Oddity::Restricted(fields) | Oddity::RestrictedFiles(fields) => {
                let lifted = matches!(self, Oddity::RestrictedFiles(_));
                behaviour.required_filter = Some(filter(fields, restricted(object, fields, language), lifted));
                behaviour.bulk = false;
            }
            Oddity::MustSpecify(fields) => {
                let message = format!("{} {}", fields.join(" or "), must_specify(language));
                behaviour.required_filter = Some(filter(fields, message, false));
                behaviour.bulk = false;
            }
            Oddity::External(message) => {
                behaviour.refuses_query = Some(bad("EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION", message.to_owned()));
                behaviour.bulk = false;
            }
            Oddity::ExternalDown => {
                let message = "Transient queries are not yet implemented".to_owned();
                behaviour.refuses_query = Some(bad("EXTERNAL_OBJECT_EXCEPTION", message));
                behaviour.bulk = false;
            }
            Oddity::DataCloudOff => {
                let message = "Data Cloud is not enabled for this organization".to_owned();
                behaviour.refuses_query = Some(bad("DATACLOUD_API_DISABLED_EXCEPTION", message));
                behaviour.bulk = false;
            }
            Oddity::RecordAccess => {
                let message = "Can select only RecordId, a Has*Access field, and MaxAccessLevel".to_owned();
                behaviour.refuses_query = Some(bad("INVALID_FIELD", message));
                behaviour.bulk = false;
            }
            Oddity::Uncountable => {
                let message = "An unexpected error occurred. Please include this ErrorId if you contact support: 1234567890-12345 (-12345)";
                behaviour.refuses_count = Some(Refusal {
                    status: 500,
                    error_code: "UNKNOWN_EXCEPTION".into(),
                    message: message.into(),
                });
            }
            Oddity::NoQueryMore => {
                let message = format!("{object} {}", no_query_more(language));
                behaviour.refuses_query_more = Some(bad("EXCEEDED_ID_LIMIT", message));
                behaviour.bulk = false;
                behaviour.in_record_count = false;
            }
            Oddity::NoIdFilter => {
                let message = format!("field 'Id' can not be filtered in a query call of {object}");
                behaviour.refuses_id_filter = Some(bad("INVALID_FIELD", message));
            }
            Oddity::SharedId => {
                behaviour.shared_id = true;
                behaviour.bulk = false;
                behaviour.in_record_count = false;
            }
            Oddity::Big => {
                behaviour.shared_id = true;
                behaviour.in_record_count = false;
                let refusal = |what: &str| {
                    bad(
                        "BIG_OBJECT_UNSUPPORTED_OPERATION",
                        format!("{what} is not supported on big object {object}"),
                    )
                };
                behaviour.refuses_count = Some(refusal("COUNT()"));
                behaviour.refuses_id_filter = Some(refusal("A filter or ORDER BY on Id"));
            }
            Oddity::UnknownTotal => {
                behaviour.unknown_total = true;
                behaviour.in_record_count = false;
                behaviour.bulk = false;
            }
            Oddity::Ends {
                after_rows,
                honest_total,
            } => {
                behaviour.truncation = Some(Truncation {
                    after_rows,
                    honest_total,
                });
            }
        }
    }
}

fn not_queryable(object: &str, language: Language) -> String {
    match language {
        Language::English => format!("entity type {object} does not support query"),
        Language::German => format!("Entitätstyp {object} unterstützt keine Abfragen"),
        Language::Japanese => format!("エンティティ種別 {object} はクエリをサポートしていません"),
    }
}

fn reified(language: Language) -> &'static str {
    match language {
        Language::English => "a filter on a reified column is required",
        Language::German => "ein Filter für eine konkretisierte Spalte ist erforderlich",
        Language::Japanese => "具体化された列の検索条件が必要です",
    }
}

fn restricted(object: &str, fields: &[&str], language: Language) -> String {
    let list = fields.join(match language {
        Language::English => " or ",
        Language::German => " oder ",
        Language::Japanese => " または ",
    });
    match language {
        Language::English => format!(
            "Implementation restriction: {object} requires a filter by a single Id on {list} using the equals operator or multiple Id's using the IN operator."
        ),
        Language::German => format!(
            "Implementierungseinschränkung: Für {object} ist ein Filter nach einer einzelnen ID für {list} mit dem Gleichheitsoperator oder nach mehreren IDs mit dem Operator IN erforderlich."
        ),
        Language::Japanese => format!(
            "実装の制限: {object} には、{list} に対する等号演算子を使用した単一 ID、または IN 演算子を使用した複数 ID による条件が必要です。"
        ),
    }
}

fn must_specify(language: Language) -> &'static str {
    match language {
        Language::English => "must be specified in your query",
        Language::German => "muss in Ihrer Abfrage angegeben werden",
        Language::Japanese => "をクエリで指定する必要があります",
    }
}

fn no_query_more(language: Language) -> &'static str {
    match language {
        Language::English => "does not support queryMore(), use LIMIT to restrict the results to a single batch",
        Language::German => {
            "unterstützt queryMore() nicht, beschränken Sie die Ergebnisse mit LIMIT auf einen einzelnen Stapel"
        }
        Language::Japanese => "は queryMore() をサポートしていません。LIMIT を使用して結果を単一のバッチに制限してください",
    }
}
