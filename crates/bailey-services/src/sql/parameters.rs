//! A JSON value as a parameter of a statement, for whatever type the server found for its place.
//!
//! Values go as text, which the server reads as it would read a literal in quotes; so `"5"` and `5`
//! both fit an integer, and a text fits a timestamp. What JSON and SQL call differently is translated:
//!
//! | JSON | becomes |
//! |---|---|
//! | `null` | `NULL` |
//! | `true`, `false` | themselves; 1 and 0 for numbers, as Python counts with them |
//! | a number | its digits; `5.0` and `5e0` for an integer are 5, for a boolean 1 is true |
//! | a string | itself. For `json` and `jsonb` it is JSON text, as Python's `json.dumps` writes it; what is no JSON is refused by the server rather than stored as a string, since then `5` and `five` would come back as different things |
//! | a list | an array for an array, also nested; JSON for `json` and `jsonb`; for anything else it is refused |
//! | an object | JSON for `json` and `jsonb`; for anything else it is refused |
//!
//! `bytea` takes what PostgreSQL takes for it (`\x00ff`); for base64 write `decode(%s, 'base64')`.

use std::error::Error;

use bytes::BytesMut;
use serde_json::value::RawValue;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

mod declared;

pub use declared::{declared_type, declared_types};

/// Dimensions PostgreSQL's arrays have at most.
const DIMENSIONS: usize = 6;

/// One value for a placeholder.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'a> {
    position: usize,
    value: &'a RawValue,
}

/// Why a value cannot be sent. Reads as the end of "invalid params: ... is required".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// PostgreSQL's texts hold every character but this.
    #[error("a text without NUL characters as value {position}")]
    Nul {
        /// Which value, from 1.
        position: usize,
    },
    /// Python can make such a string; UTF-8 has no way to write it.
    #[error("a text of whole characters as value {position} (this one holds half of a surrogate pair)")]
    Surrogate {
        /// Which value, from 1.
        position: usize,
    },
    /// PostgreSQL's arrays end there.
    #[error("a list of at most {DIMENSIONS} levels as value {position}")]
    Dimensions {
        /// Which value, from 1.
        position: usize,
    },
    /// A list or an object where the statement has no place for one.
    #[error(
        "a plain value as value {position} (the statement has a place for {wanted} there, not for {given}; for JSON send json.dumps(...))"
    )]
    Shape {
        /// Which value, from 1.
        position: usize,
        /// `a list` or `an object`.
        given: &'static str,
        /// The type's name.
        wanted: String,
    },
}

/// What a value is, with the text of what needs no further look.
enum Json<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(String),
    List(Vec<&'a RawValue>),
    Object,
}

impl<'a> Parameter<'a> {
    /// A value for the placeholder at `position`, from 1.
    pub fn new(position: usize, value: &'a RawValue) -> Self {
        Self { position, value }
    }

    /// The text of the value for a place of type `ty`; `None` for `NULL`.
    ///
    /// # Errors
    /// [`ParameterError`] for a value that no text of that type can stand for.
    pub fn text(&self, ty: &Type) -> Result<Option<String>, ParameterError> {
        let mut text = String::new();
        Ok(self.write(self.value, ty, &mut text)?.then_some(text))
    }

    /// Writes a value; `false` for `NULL`, which has no text.
    fn write(&self, value: &RawValue, ty: &Type, text: &mut String) -> Result<bool, ParameterError> {
        if let Kind::Domain(inner) = ty.kind() {
            return self.write(value, inner, text);
        }
        let is_json = is_json(ty);
        match self.read(value)? {
            Json::Null => return Ok(false),
            Json::String(string) => text.push_str(&string),
            _ if is_json => text.push_str(value.get()),
            Json::Bool(value) if is_number(ty) => text.push(if value { '1' } else { '0' }),
            Json::Bool(value) => text.push_str(if value { "true" } else { "false" }),
            Json::Number(digits) if is_integer(ty) || *ty == Type::BOOL => {
                text.push_str(whole_number(digits).as_deref().unwrap_or(digits));
            }
            Json::Number(digits) => text.push_str(digits),
            Json::List(items) => match ty.kind() {
                Kind::Array(element) => self.write_array(&items, element, 1, text)?,
                _ => return Err(self.misshapen("a list", ty)),
            },
            Json::Object => return Err(self.misshapen("an object", ty)),
        }
        Ok(true)
    }

    fn write_array(
        &self,
        items: &[&RawValue],
        element: &Type,
        level: usize,
        text: &mut String,
    ) -> Result<(), ParameterError> {
        if level > DIMENSIONS {
            return Err(ParameterError::Dimensions { position: self.position });
        }
        text.push('{');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            // A list within a list is a further dimension, unless the elements are JSON themselves.
            if item.get().starts_with('[') && !is_json(element) {
                self.write_array(&self.items(item)?, element, level + 1, text)?;
                continue;
            }
            let mut inner = String::new();
            if self.write(item, element, &mut inner)? {
                text.push('"');
                for character in inner.chars() {
                    if matches!(character, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(character);
                }
                text.push('"');
            } else {
                text.push_str("NULL");
            }
        }
        text.push('}');
        Ok(())
    }

    fn items<'v>(&self, value: &'v RawValue) -> Result<Vec<&'v RawValue>, ParameterError> {
        match self.read(value)? {
            Json::List(items) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    fn read<'v>(&self, value: &'v RawValue) -> Result<Json<'v>, ParameterError> {
        let text = value.get();
        let position = self.position;
        Ok(match text.as_bytes().first() {
            Some(b'n') | None => Json::Null,
            Some(b't') => Json::Bool(true),
            Some(b'f') => Json::Bool(false),
            // Valid JSON that is no string of Rust's: only half a surrogate pair can be the reason.
            Some(b'"') => match serde_json::from_str::<String>(text) {
                Ok(string) if string.contains('\0') => return Err(ParameterError::Nul { position }),
                Ok(string) => Json::String(string),
                Err(_) => return Err(ParameterError::Surrogate { position }),
            },
            Some(b'[') => Json::List(serde_json::from_str(text).unwrap_or_default()),
            Some(b'{') => Json::Object,
            Some(_) => Json::Number(text),
        })
    }

    fn misshapen(&self, given: &'static str, ty: &Type) -> ParameterError {
        ParameterError::Shape { position: self.position, given, wanted: ty.name().to_owned() }
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        Ok(match self.text(ty)? {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// The values of a call, numbered from 1.
pub(super) fn all(values: &[Box<RawValue>]) -> Vec<Parameter<'_>> {
    values.iter().enumerate().map(|(index, value)| Parameter::new(index + 1, value)).collect()
}

fn is_json(ty: &Type) -> bool {
    matches!(*ty, Type::JSON | Type::JSONB)
}

fn is_integer(ty: &Type) -> bool {
    matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8 | Type::OID)
}

fn is_number(ty: &Type) -> bool {
    is_integer(ty) || matches!(*ty, Type::NUMERIC | Type::FLOAT4 | Type::FLOAT8)
}

/// A JSON number without fraction and exponent; `None` when it is not whole, or far beyond any integer.
fn whole_number(number: &str) -> Option<String> {
    const DIGITS: i64 = 40;
    let (sign, unsigned) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let shift = exponent - i64::try_from(fraction.len()).ok()?;
    let zeros = significant.len() - significant.trim_end_matches('0').len();
    if shift > DIGITS || shift < -i64::try_from(zeros).ok()? {
        return None;
    }
    Some(match usize::try_from(shift) {
        Ok(shift) => format!("{sign}{significant}{}", "0".repeat(shift)),
        Err(_) => {
            let cut = usize::try_from(shift.unsigned_abs()).ok()?;
            format!("{sign}{}", &significant[..significant.len() - cut])
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    /// The text sent for a value, or the refusal; `NULL` as such.
    fn sent(json: &str, ty: &Type) -> String {
        match Parameter::new(2, &raw(json)).text(ty) {
            Ok(text) => text.unwrap_or_else(|| "NULL".to_owned()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn plain_values_go_as_the_text_the_server_reads() {
        for (json, ty, text) in [
            ("null", Type::INT4, "NULL"),
            ("null", Type::JSONB, "NULL"),
            ("true", Type::BOOL, "true"),
            ("true", Type::INT4, "1"),
            ("false", Type::NUMERIC, "0"),
            ("true", Type::TEXT, "true"),
            ("true", Type::JSONB, "true"),
            ("5", Type::INT4, "5"),
            ("5", Type::TEXT, "5"),
            ("5.0", Type::TEXT, "5.0"),
            ("5.0", Type::NUMERIC, "5.0"),
            ("5.0", Type::INT8, "5"),
            ("1.0", Type::BOOL, "1"),
            ("1", Type::JSONB, "1"),
            ("\"5\"", Type::INT4, "5"),
            ("\"a\\n'é\\ud83d\\ude00\"", Type::TEXT, "a\n'é😀"),
            ("\"\"", Type::TEXT, ""),
            ("\"{1,2}\"", Type::INT4_ARRAY, "{1,2}"),
            ("\"{\\\"a\\\": 1}\"", Type::JSONB, "{\"a\": 1}"),
            ("\"hello\"", Type::JSONB, "hello"),
            ("{\"a\": [1, 2]}", Type::JSON, "{\"a\": [1, 2]}"),
            ("[1, \"x\"]", Type::JSONB, "[1, \"x\"]"),
        ] {
            assert_eq!(sent(json, &ty), text, "{json} for {ty}");
        }
    }

    #[test]
    fn whole_numbers_are_written_whole_for_integers() {
        for (json, text) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("0.000", "0"),
            ("7", "7"),
            ("-7.00", "-7"),
            ("1e3", "1000"),
            ("1.5E1", "15"),
            ("1500e-2", "15"),
            ("9223372036854775807", "9223372036854775807"),
            ("9007199254740993.0", "9007199254740993"),
            ("1.5", "1.5"),
            ("15e-1", "15e-1"),
            ("1e400", "1e400"),
            ("1e99999999999999999999", "1e99999999999999999999"),
        ] {
            assert_eq!(sent(json, &Type::INT8), text, "{json}");
        }
    }

    #[test]
    fn lists_are_arrays_where_arrays_are_wanted() {
        for (json, ty, text) in [
            ("[]", Type::INT4_ARRAY, "{}"),
            ("[1, 2.0, null, \"3\", true]", Type::INT4_ARRAY, r#"{"1","2",NULL,"3","1"}"#),
            ("[[1], [2]]", Type::INT4_ARRAY, r#"{{"1"},{"2"}}"#),
            (r#"["a,b", "NULL", "", "q\"\\", "{}"]"#, Type::TEXT_ARRAY, r#"{"a,b","NULL","","q\"\\","{}"}"#),
            (r#"[{"a": "\""}, [1], null]"#, Type::JSONB_ARRAY, r#"{"{\"a\": \"\\\"\"}","[1]",NULL}"#),
        ] {
            assert_eq!(sent(json, &ty), text, "{json} for {ty}");
        }
    }

    #[test]
    fn what_has_no_text_is_refused_with_its_position() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for (json, ty, said) in [
            ("\"a\\u0000b\"", Type::TEXT, "a text without NUL characters as value 2"),
            ("[\"\\u0000\"]", Type::TEXT_ARRAY, "a text without NUL characters as value 2"),
            (
                "\"\\ud800\"",
                Type::TEXT,
                "a text of whole characters as value 2 (this one holds half of a surrogate pair)",
            ),
            ("[[[[[[[1]]]]]]]", Type::INT4_ARRAY, "a list of at most 6 levels as value 2"),
            (&deep, Type::INT4_ARRAY, "a list of at most 6 levels as value 2"),
            (
                "[1]",
                Type::TEXT,
                "a plain value as value 2 (the statement has a place for text there, not for a list; for JSON send json.dumps(...))",
            ),
            (
                "{}",
                Type::INT4,
                "a plain value as value 2 (the statement has a place for int4 there, not for an object; for JSON send json.dumps(...))",
            ),
        ] {
            assert_eq!(sent(json, &ty), said);
        }
    }
}
