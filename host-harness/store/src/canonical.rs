//! One spelling for one JSON value, so that a hash of it means something: keys sorted bytewise, no white space, whole numbers
//! only. Parsing and writing again gives the same bytes, which is how verification finds a changed one.

use serde_json::Value;

/// A value that has no canonical form.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CanonicalError {
    /// Fractions have more than one spelling.
    #[error("{0} is not a whole number of 64 bits")]
    Fraction(serde_json::Number),
    /// Not JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The canonical bytes of a value.
pub(crate) fn to_bytes(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Number(number) if !number.is_u64() && !number.is_i64() => return Err(CanonicalError::Fraction(number.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => serde_json::to_writer(&mut *out, value)?,
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            // Sorted here and not by the map: another crate's feature may make the map keep insertion order.
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push(b'{');
            for (i, (key, item)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key)?;
                out.push(b':');
                write(item, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn parsing_and_writing_again_gives_the_same_bytes(value in any_value()) {
            let bytes = to_bytes(&value).unwrap();
            let parsed: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&parsed, &value);
            prop_assert_eq!(to_bytes(&parsed).unwrap(), bytes);
        }
    }

    #[test]
    fn a_fraction_has_no_canonical_form() {
        assert!(to_bytes(&serde_json::json!({"a": 1.5})).is_err());
    }
}
