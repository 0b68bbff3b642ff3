//! What somebody may have meant by a name that isn't one.

/// The name that is most like this word, where one is like it at all. Upper and lower case are the same.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let most = (word.chars().count() / 3).max(2);
    let distance = |name: &str| strsim::osa_distance(&word, &name.to_lowercase());
    let distances = names.into_iter().map(|name| (distance(name), name));
    let like = distances.filter(|(distance, _)| *distance <= most);
    like.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// `; did you mean "…"?`, or nothing.
pub fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, names).map_or_else(String::new, |name| format!("; did you mean \"{name}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_leads_to_the_right_one_and_another_word_to_none() {
        let names = ["usage_limit", "full_every", "file_requests"];
        for (word, meant) in [
            ("usage_limt", Some("usage_limit")),
            ("usageLimit", Some("usage_limit")),
            ("full_evry", Some("full_every")),
            ("file_request", Some("file_requests")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, names), meant, "{word}");
        }
    }
}
