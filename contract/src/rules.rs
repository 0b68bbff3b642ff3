//! What names and rows the contract lets through, whoever asks: the sandbox that hands them on, and the store that keeps them.

/// Most bytes of a row's, note's or value's key, and of an object's name.
pub const MAX_KEY_BYTES: usize = 255;

/// Most bytes of the rows of one `append`, keys and bodies together.
pub const MAX_APPEND_BYTES: usize = 8 << 20;

/// Most bytes of a note's body.
pub const MAX_NOTE_BYTES: usize = 7 << 20;

/// Most bytes of a value.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// Most bytes of a checkpoint.
pub const MAX_CHECKPOINT_BYTES: usize = 1 << 20;

/// Whether a text can name an object: 1–255 characters of `A–Z a–z 0–9 _ - .`, not beginning with a dot.
pub fn is_object_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    is_key(name) && !name.starts_with('.') && name.bytes().all(allowed)
}

/// Whether a text can be the key of a row or a note: 1–255 bytes.
pub fn is_key(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len())
}

/// Whether a text can be the key of a value: `v<state version>/…`, at most 255 bytes.
pub fn is_value_key(key: &str) -> bool {
    let version = key.strip_prefix('v').and_then(|rest| rest.split_once('/'));
    // One spelling of each number: no sign, no leading zero.
    let is_number = |text: &str| text.parse::<u32>().is_ok_and(|number| number.to_string() == text);
    key.len() <= MAX_KEY_BYTES && version.is_some_and(|(version, _)| is_number(version))
}

/// Whether a body is one line: readers of segments tell rows apart by line breaks.
pub fn is_one_line(body: &[u8]) -> bool {
    !body.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_without_a_way_out() {
        for good in ["Account", "My_Object__c", "a-b.c", &"x".repeat(255)] {
            assert!(is_object_name(good), "{good:?}");
        }
        for evil in [
            "",
            ".",
            "..",
            ".hidden",
            "../other",
            "a/b",
            "a\\b",
            "a b",
            "ä",
            "a\0",
            &"x".repeat(256),
        ] {
            assert!(!is_object_name(evil), "{evil:?}");
        }
    }

    #[test]
    fn a_values_key_begins_with_its_state_version() {
        for good in ["v1/plan", "v12/", "v0/a/../b", &format!("v1/{}", "x".repeat(252))] {
            assert!(is_value_key(good), "{good:?}");
        }
        for evil in [
            "",
            "plan",
            "v/plan",
            "v1",
            "vx/plan",
            "v01/plan",
            "v+1/plan",
            "../v1/plan",
            "v99999999999/x",
            &format!("v1/{}", "x".repeat(253)),
        ] {
            assert!(!is_value_key(evil), "{evil:?}");
        }
    }

    #[test]
    fn a_key_has_at_most_255_bytes_whatever_its_characters() {
        assert!(is_key("ä") && is_key(&"x".repeat(255)));
        assert!(!is_key("") && !is_key(&"ä".repeat(128)));
    }

    #[test]
    fn a_body_with_any_line_break_is_more_than_one_line() {
        assert!(is_one_line(br#"{"a":"\n"}"#));
        assert!(!is_one_line(b"{}\n{}") && !is_one_line(b"{\r}"));
    }
}
