//! A row of the server as the JSON object a plugin gets.
//!
//! Values arrive in PostgreSQL's binary form. Integers are JSON integers whatever their size, as
//! Python reads any; texts are texts. Where JSON and SQL differ:
//!
//! | SQL | JSON |
//! |---|---|
//! | `real`, `double precision` | a number, always with a fraction or exponent, so that Python reads a float; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `numeric` | see [`numeric`] |
//! | `timestamp`, `timestamptz`, `date`, `time`, `timetz` | ISO 8601 as Python's `isoformat` writes it, `timestamptz` in UTC; `"infinity"`, `"-infinity"`; years before 1 end in ` BC` as in PostgreSQL |
//! | `interval` | ISO 8601, as in `P1DT2H` |
//! | `json`, `jsonb` | itself, nested |
//! | `bytea` | base64 |
//! | arrays | lists, nested by dimension |
//! | `regclass` | its number as a text: the binary form has no name |
//!
//! Any other type is refused with the advice to cast it to text.

use std::error::Error;

use bailey_protocol::limits::JSON_DEPTH;
use bailey_protocol::method::sql::RowObject;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use postgres_protocol::types as binary;
use tokio_postgres::types::{FromSql, Kind, Type};
use tokio_postgres::{Column, Row};

mod moment;
mod numeric;

/// A value that cannot be returned. Reads as the end of "could not return the row: ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Nothing here reads the type.
    #[error("the column {column} has the type {type_name}, which has no JSON form; cast it: {column}::text")]
    Type {
        /// The column's name.
        column: String,
        /// The type's name.
        type_name: String,
    },
    /// The plugin could not read it: Python's parser gives up on deep nesting.
    #[error(
        "the column {column} holds JSON of more than {JSON_DEPTH} levels; cast it to text or return a part of it"
    )]
    Depth {
        /// The column's name.
        column: String,
    },
    /// The bytes are not what the type says.
    #[error("the column {column} of the type {type_name} could not be read: {reason}")]
    Unreadable {
        /// The column's name.
        column: String,
        /// The type's name.
        type_name: String,
        /// What the decoder says.
        reason: String,
    },
}

/// Why one value was refused, before its column is known.
enum Refusal {
    Type(String),
    Depth,
    Unreadable(String),
}

impl From<Box<dyn Error + Sync + Send>> for Refusal {
    fn from(error: Box<dyn Error + Sync + Send>) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Reads a row; its size is that of the result.
///
/// # Errors
/// [`RowError`] naming the column, for a value that has no JSON form.
pub fn row(row: &Row) -> Result<RowObject, RowError> {
    let columns = row.columns();
    let mut values = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let bytes = row.try_get::<_, Option<Bytes<'_>>>(index);
        let mut json = String::new();
        let written = match bytes {
            Ok(Some(Bytes(bytes))) => write(column.type_(), column.type_modifier(), bytes, &mut json),
            Ok(None) => {
                json.push_str("null");
                Ok(())
            }
            Err(error) => Err(Refusal::Unreadable(error.to_string())),
        };
        written.map_err(|refusal| named(column, refusal))?;
        values.push((column.name(), json));
    }
    RowObject::from_columns(values).map_err(|error| RowError::Unreadable {
        column: columns.iter().map(Column::name).collect::<Vec<_>>().join(", "),
        type_name: "row".to_owned(),
        reason: error.to_string(),
    })
}

fn named(column: &Column, refusal: Refusal) -> RowError {
    let column_name = column.name().to_owned();
    match refusal {
        Refusal::Type(type_name) => RowError::Type { column: column_name, type_name },
        Refusal::Depth => RowError::Depth { column: column_name },
        Refusal::Unreadable(reason) => {
            RowError::Unreadable { column: column_name, type_name: column.type_().name().to_owned(), reason }
        }
    }
}

/// A value as it arrived.
struct Bytes<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Bytes<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(bytes))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn write(ty: &Type, modifier: i32, bytes: &[u8], json: &mut String) -> Result<(), Refusal> {
    match *ty {
        Type::BOOL => json.push_str(if binary::bool_from_sql(bytes)? { "true" } else { "false" }),
        Type::INT2 => json.push_str(&binary::int2_from_sql(bytes)?.to_string()),
        Type::INT4 => json.push_str(&binary::int4_from_sql(bytes)?.to_string()),
        Type::INT8 => json.push_str(&binary::int8_from_sql(bytes)?.to_string()),
        Type::OID => json.push_str(&binary::oid_from_sql(bytes)?.to_string()),
        Type::REGCLASS => quote(&binary::oid_from_sql(bytes)?.to_string(), json),
        Type::FLOAT4 => {
            let number = binary::float4_from_sql(bytes)?;
            write_float(number.into(), format!("{number:?}"), json);
        }
        Type::FLOAT8 => {
            let number = binary::float8_from_sql(bytes)?;
            write_float(number, format!("{number:?}"), json);
        }
        Type::NUMERIC => json.push_str(&numeric::json(bytes, modifier)?),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
            quote(binary::text_from_sql(bytes)?, json);
        }
        Type::CHAR => quote(&single_byte(binary::char_from_sql(bytes)?.cast_unsigned()), json),
        Type::TIMESTAMP => quote(&moment::timestamp(binary::timestamp_from_sql(bytes)?, ""), json),
        Type::TIMESTAMPTZ => quote(&moment::timestamp(binary::timestamp_from_sql(bytes)?, "+00:00"), json),
        Type::DATE => quote(&moment::date(binary::date_from_sql(bytes)?), json),
        Type::TIME => quote(&moment::time(binary::time_from_sql(bytes)?), json),
        Type::TIMETZ => quote(&moment::time_with_zone(bytes)?, json),
        Type::INTERVAL => quote(&moment::interval(bytes)?, json),
        Type::UUID => quote(&uuid(binary::uuid_from_sql(bytes)?), json),
        Type::JSON => write_json(bytes, json)?,
        // The first byte is the version of the format, always 1.
        Type::JSONB => write_json(bytes.strip_prefix(&[1]).unwrap_or(bytes), json)?,
        Type::BYTEA => quote(&BASE64_STANDARD.encode(bytes), json),
        _ => match ty.kind() {
            Kind::Array(element) => write_array(element, modifier, bytes, json)?,
            _ => return Err(Refusal::Type(ty.name().to_owned())),
        },
    }
    Ok(())
}

fn quote(text: &str, json: &mut String) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// PostgreSQL's words for what JSON has none for.
fn write_float(number: f64, shortest: String, json: &mut String) {
    if number.is_finite() {
        json.push_str(&shortest);
    } else if number.is_nan() {
        json.push_str("\"NaN\"");
    } else {
        json.push_str(if number > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    }
}

/// The type `"char"`: a byte, which need not be a character.
fn single_byte(byte: u8) -> String {
    match byte {
        0 => String::new(),
        1..=127 => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    }
}

fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// PostgreSQL has checked that it is JSON.
fn write_json(bytes: &[u8], json: &mut String) -> Result<(), Refusal> {
    let text = binary::text_from_sql(bytes)?;
    if depth(text) > JSON_DEPTH {
        return Err(Refusal::Depth);
    }
    json.push_str(text);
    Ok(())
}

/// The deepest nesting of lists and objects.
fn depth(json: &str) -> usize {
    let (mut deepest, mut level) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn write_array(element: &Type, modifier: i32, bytes: &[u8], json: &mut String) -> Result<(), Refusal> {
    use tokio_postgres::fallible_iterator::FallibleIterator;

    let array = binary::array_from_sql(bytes)?;
    let lengths: Vec<usize> =
        array.dimensions().map(|dimension| Ok(usize::try_from(dimension.len).unwrap_or(0))).collect()?;
    if lengths.is_empty() {
        json.push_str("[]");
        return Ok(());
    }
    // How many values a list of each dimension holds in all, innermost last.
    let spans: Vec<usize> =
        (0..lengths.len()).map(|dimension| lengths[dimension..].iter().product()).collect();
    let mut values = array.values();
    let mut index = 0_usize;
    while let Some(value) = values.next()? {
        if index > 0 {
            json.push(',');
        }
        for _ in spans.iter().filter(|span| index.is_multiple_of(**span)) {
            json.push('[');
        }
        match value {
            Some(bytes) => write(element, modifier, bytes, json)?,
            None => json.push_str("null"),
        }
        index += 1;
        for _ in spans.iter().filter(|span| index.is_multiple_of(**span)) {
            json.push(']');
        }
    }
    Ok(())
}
