//! Fields of request bodies, read as strictly as Discord reads them.

use serde_json::Value;

use crate::clock::Snowflake;
use crate::error::{ApiError, FieldErrors};

/// A text of so many characters, if it is there and not null.
pub(super) fn text(body: &Value, field: &str, least: usize, most: usize) -> Result<Option<String>, ApiError> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if (least..=most).contains(&text.chars().count()) => Ok(Some(text.clone())),
        Some(Value::String(_)) => {
            let mut errors = FieldErrors::default();
            errors.length(field, least, most);
            errors.finish().map(|()| None)
        }
        Some(_) => {
            Err(FieldErrors::one(field, "STRING_TYPE_CONVERT", "Could not interpret value as string."))
        }
    }
}

/// The same, for a text that must be there.
pub(super) fn required(body: &Value, field: &str, least: usize, most: usize) -> Result<String, ApiError> {
    text(body, field, least, most)?
        .ok_or_else(|| FieldErrors::one(field, "BASE_TYPE_REQUIRED", "This field is required"))
}

/// A text that null takes away; `None` when the field is not there.
pub(super) fn clearable(body: &Value, field: &str, most: usize) -> Result<Option<Option<String>>, ApiError> {
    match body.get(field) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(_) => Ok(Some(text(body, field, 0, most)?)),
    }
}

/// A number within bounds.
pub(super) fn number(body: &Value, field: &str, least: u64, most: u64) -> Result<Option<u64>, ApiError> {
    let number = match body.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let Some(number) = number else {
        return Err(FieldErrors::one(field, "NUMBER_TYPE_COERCE", "Value is not int."));
    };
    if number < least {
        let text = format!("int value should be greater than or equal to {least}.");
        return Err(FieldErrors::one(field, "NUMBER_TYPE_MIN", text));
    }
    if number > most {
        let text = format!("int value should be less than or equal to {most}.");
        return Err(FieldErrors::one(field, "NUMBER_TYPE_MAX", text));
    }
    Ok(Some(number))
}

/// Yes or no.
pub(super) fn flag(body: &Value, field: &str) -> Result<Option<bool>, ApiError> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(FieldErrors::one(field, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")),
    }
}

/// An id, written as text or number.
pub(super) fn snowflake(value: &Value, field: &str) -> Result<Snowflake, ApiError> {
    match value {
        Value::String(text) => super::id(text, field),
        Value::Number(number) => super::id(&number.to_string(), field),
        _ => super::id("", field),
    }
}

/// Permission bits, written as text.
pub(super) fn bits(body: &Value, field: &str) -> Result<u64, ApiError> {
    let bits = match body.get(field) {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_u64(),
    };
    bits.ok_or_else(|| FieldErrors::one(field, "NUMBER_TYPE_COERCE", "Value is not int."))
}
