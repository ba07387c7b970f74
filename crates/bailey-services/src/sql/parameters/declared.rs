//! The types values have by themselves, for places where the server finds none.

use bailey_sql::untyped;
use serde_json::value::RawValue;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::Type;

use super::DIMENSIONS;

/// The type a value has by itself, for a place the server finds none for (as in `concat(%s)`): what
/// the same value written into the statement would have.
pub fn declared_type(value: &RawValue) -> Type {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b't' | b'f') => Type::BOOL,
        Some(b'{') => Type::JSONB,
        Some(b'[') => list_type(text),
        Some(b'n' | b'"') | None => Type::TEXT,
        Some(_) if text.parse::<i32>().is_ok() => Type::INT4,
        Some(_) if text.parse::<i64>().is_ok() => Type::INT8,
        Some(_) => Type::NUMERIC,
    }
}

/// The types to prepare a statement with again, after the server did not find some by itself: those of
/// the values for these places, and still the server's choice for the others. `known` is what the last
/// try was made with, [`Type::UNKNOWN`] leaving a type to the server. `None` when nothing is left to
/// say, and the error is the plugin's.
pub fn declared_types(
    error: &DbError,
    sql: &str,
    known: &[Type],
    values: &[Box<RawValue>],
) -> Option<Vec<Type>> {
    let mut places = match *error.code() {
        SqlState::INDETERMINATE_DATATYPE | SqlState::DATATYPE_MISMATCH | SqlState::AMBIGUOUS_FUNCTION => {
            untyped::untyped(sql)
        }
        _ => return None,
    };
    // "could not determine data type of parameter $1", in whatever language.
    if *error.code() == SqlState::INDETERMINATE_DATATYPE {
        let digits = error.message().split('$').nth(1).unwrap_or_default();
        let digits = digits.split(|character: char| !character.is_ascii_digit()).next().unwrap_or_default();
        places.extend(digits.parse::<usize>());
    }
    let mut types = known.to_vec();
    for (index, value) in values.iter().enumerate() {
        if places.contains(&(index + 1)) {
            types[index] = declared_type(value);
        }
    }
    (types != known).then_some(types)
}

/// The array that holds every item of a list; JSON when there are objects among them.
fn list_type(list: &str) -> Type {
    /// Each holds those before it.
    const NUMBERS: [Type; 3] = [Type::INT4, Type::INT8, Type::NUMERIC];
    fn items(list: &str, level: usize) -> Vec<(&RawValue, usize)> {
        let items: Vec<&RawValue> = serde_json::from_str(list).unwrap_or_default();
        items.into_iter().map(|item| (item, level)).collect()
    }
    let mut common: Option<Type> = None;
    let mut waiting: Vec<(&RawValue, usize)> = items(list, 1);
    while let Some((item, level)) = waiting.pop() {
        let ty = match item.get().as_bytes().first() {
            Some(b'n') => continue,
            Some(b'[') if level < DIMENSIONS => {
                waiting.extend(items(item.get(), level + 1));
                continue;
            }
            Some(b'[') => continue, // refused when it is sent
            Some(b'{') => return Type::JSONB,
            _ => declared_type(item),
        };
        let rank = |ty: &Type| NUMBERS.iter().position(|number| number == ty);
        common = Some(match common {
            None => ty,
            Some(common) if common == ty => ty,
            Some(common) => match (rank(&common), rank(&ty)) {
                (Some(left), Some(right)) => NUMBERS[left.max(right)].clone(),
                _ => Type::TEXT,
            },
        });
    }
    match common {
        Some(Type::BOOL) => Type::BOOL_ARRAY,
        Some(Type::INT4) => Type::INT4_ARRAY,
        Some(Type::INT8) => Type::INT8_ARRAY,
        Some(Type::NUMERIC) => Type::NUMERIC_ARRAY,
        _ => Type::TEXT_ARRAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_a_type_of_its_own() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for (json, ty) in [
            ("null", Type::TEXT),
            ("true", Type::BOOL),
            ("5", Type::INT4),
            ("3000000000", Type::INT8),
            ("99999999999999999999", Type::NUMERIC),
            ("5.0", Type::NUMERIC),
            ("\"5\"", Type::TEXT),
            ("{}", Type::JSONB),
            ("[]", Type::TEXT_ARRAY),
            ("[null]", Type::TEXT_ARRAY),
            ("[1, null, 2]", Type::INT4_ARRAY),
            ("[1, 3000000000]", Type::INT8_ARRAY),
            ("[1.5, 3000000000]", Type::NUMERIC_ARRAY),
            ("[[true], [false]]", Type::BOOL_ARRAY),
            ("[1, \"a\"]", Type::TEXT_ARRAY),
            ("[1, {}]", Type::JSONB),
            (&deep, Type::TEXT_ARRAY),
        ] {
            assert_eq!(declared_type(&RawValue::from_string(json.to_owned()).unwrap()), ty, "{json}");
        }
    }
}
