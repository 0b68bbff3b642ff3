//! Price books: a product's standard price before its others, lines from the price book of what they belong to, orders and contracts
//! that begin as drafts.
//!
//! Choices: the words of the refusals for lines of another price book, and for lines of an activated order.

use crate::org::{Org, RecordId, Value, WriteError, write::RowValues};

impl Org {
    /// A price in a price book of one's own needs one in the standard price book.
    pub(super) fn check_price(&self, values: &RowValues, id: Option<RecordId>) -> Result<(), WriteError> {
        if id.is_some() {
            return Ok(());
        }
        let ends = self.with_draft("PricebookEntry", values, None, |draft| {
            (draft.id("Pricebook2Id"), draft.id("Product2Id"))
        });
        let Some((Some(book), Some(product))) = ends else {
            return Ok(());
        };
        let priced_in = |book: RecordId| {
            self.first_row("PricebookEntry", |row| {
                row.value_of("Product2Id") == Value::Id(product) && row.value_of("Pricebook2Id") == Value::Id(book)
            })
        };
        if priced_in(book).is_some() {
            let message = "This price definition already exists in this price book";
            return Err(WriteError::new("DUPLICATE_VALUE", message, &[]));
        }
        match self.standard_price_book() {
            Some(standard) if standard != book && priced_in(standard).is_none() => {
                let message = "Before creating a custom price, create a standard price.";
                Err(WriteError::new("STANDARD_PRICE_NOT_DEFINED", message, &[]))
            }
            _ => Ok(()),
        }
    }

    /// The standard price book.
    pub(in crate::org) fn standard_price_book(&self) -> Option<RecordId> {
        self.first_row("Pricebook2", |row| row.value_of("IsStandard") == Value::Bool(true))
    }

    /// A line of an opportunity or an order: from its price book, with one of both prices, the other following from it.
    pub(super) fn price_line(&self, values: &mut RowValues, id: Option<RecordId>, of: &str) -> Result<(), WriteError> {
        let object = if of == "Order" { "OrderItem" } else { "OpportunityLineItem" };
        let looked = self.with_draft(object, values, id, |draft| {
            let parent = draft.id(&format!("{of}Id"));
            let prices = ["UnitPrice", "TotalPrice", "Quantity"].map(|field| draft.get(field));
            (parent, draft.id("PricebookEntryId"), prices)
        });
        let Some((parent, entry, [unit, _, quantity])) = looked else {
            return Ok(());
        };
        let sent = |field: &str| {
            let index = self.object(object).and_then(|o| o.field_index(field));
            index
                .and_then(|index| values.get(&index))
                .is_some_and(|value| !value.is_null())
        };
        let has_total = object == "OpportunityLineItem";
        let (sent_unit, sent_total) = (sent("UnitPrice"), has_total && sent("TotalPrice"));
        let integrity = |message: String, field: &str| WriteError::new("FIELD_INTEGRITY_EXCEPTION", message, &[field]);
        if sent_unit && sent_total {
            let message = "Only one of unit price or total price may be specified";
            return Err(integrity(message.to_owned(), "TotalPrice"));
        }
        if id.is_none() {
            self.check_line(of, parent, entry)?;
            if !sent_unit && !sent_total {
                let message = "Required fields are missing: [UnitPrice]";
                return Err(WriteError::new("REQUIRED_FIELD_MISSING", message, &["UnitPrice"]));
            }
            if let Some(entry) = entry {
                self.give(object, values, "Product2Id", self.value_at(entry, "Product2Id"));
            }
        }
        if has_total && !sent_total {
            self.give(object, values, "TotalPrice", product(&unit, &quantity));
        }
        Ok(())
    }

    /// Whether a line may stand in what it's meant for.
    fn check_line(&self, of: &str, parent: Option<RecordId>, entry: Option<RecordId>) -> Result<(), WriteError> {
        let Some(parent) = parent else { return Ok(()) };
        let integrity = |message: &str, field: &str| {
            let message = format!("field integrity exception: {field} ({message})");
            WriteError::new("FIELD_INTEGRITY_EXCEPTION", message, &[field])
        };
        if of == "Order" && self.value_at(parent, "Status") == Value::text("Activated") {
            return Err(integrity("the order is activated; products can't be added", "OrderId"));
        }
        let book = self.value_at(parent, "Pricebook2Id");
        let from = entry.map_or(Value::Null, |entry| self.value_at(entry, "Pricebook2Id"));
        if book.is_null() || from != book {
            let message = format!(
                "pricebook entry is in a different pricebook than the one assigned to the {}",
                of.to_lowercase()
            );
            return Err(integrity(&message, "PricebookEntryId"));
        }
        Ok(())
    }

    /// Orders and contracts are created as drafts, and orders activated once they have products.
    pub(super) fn check_status(&self, object: &str, values: &RowValues, id: Option<RecordId>) -> Result<(), WriteError> {
        let status = self.with_draft(object, values, id, |draft| draft.get("Status").to_plain());
        let status = status.unwrap_or_default();
        let failed = |message: &str| Err(WriteError::new("FAILED_ACTIVATION", message, &["Status"]));
        let Some(id) = id else {
            return match status.as_str() {
                "Activated" => failed(&format!(
                    "Choose a valid {} status and save your changes. Ask your admin for details.",
                    object.to_lowercase()
                )),
                _ => Ok(()),
            };
        };
        let was = self.value_at(id, "Status").to_plain();
        if object == "Order" && status == "Activated" && was != status && self.object("OrderItem").is_some() {
            let has_products = self
                .first_row("OrderItem", |row| row.value_of("OrderId") == Value::Id(id))
                .is_some();
            if !has_products {
                return failed("An order must have at least one product.");
            }
        }
        Ok(())
    }
}

/// Two decimals multiplied, digit by digit, to two places.
fn product(a: &Value, b: &Value) -> Value {
    let (Value::Number(a), Value::Number(b)) = (a, b) else {
        return Value::Null;
    };
    let (Some((a, a_places)), Some((b, b_places))) = (decimal(a), decimal(b)) else {
        return Value::Null;
    };
    let Some(mut digits) = a.checked_mul(b) else {
        return Value::Null;
    };
    for _ in 2..a_places + b_places {
        digits /= 10;
    }
    for _ in a_places + b_places..2 {
        digits *= 10;
    }
    let sign = if digits < 0 { "-" } else { "" };
    Value::Number(format!("{sign}{}.{:02}", digits.abs() / 100, digits.abs() % 100))
}

/// A plain decimal as an integer and how many of its digits stand behind the point; none for exponents.
fn decimal(text: &str) -> Option<(i128, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Some((digits, u32::try_from(fraction.len()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_exact() {
        let of = |a: &str, b: &str| product(&Value::Number(a.into()), &Value::Number(b.into()));
        assert_eq!(of("19.99", "3"), Value::Number("59.97".into()));
        assert_eq!(of("-0.1", "2.0"), Value::Number("-0.20".into()));
        assert_eq!(of("1234567890123456.78", "10"), Value::Number("12345678901234567.80".into()));
        assert_eq!(of("1.5E9", "2"), Value::Null);
    }
}
