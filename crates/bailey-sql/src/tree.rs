//! A parse tree without types: every struct of PostgreSQL's grammar with its name, whatever it is.
//!
//! The check walks this, so a construct nested anywhere, in a place nobody thought of, meets the
//! allow-list under its own name. It is filled by serde: the parser's structs print themselves.

use serde::Serialize;
use serde::ser::{
    self, Impossible, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

/// One value of the parse tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    /// Absent, or of no content.
    Nothing,
    /// A truth value.
    Bool(bool),
    /// A number; enumerations of the grammar are numbers too.
    Number(i64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Tree>),
    /// A struct of the grammar, fields in order.
    Struct(&'static str, Vec<(&'static str, Tree)>),
}

impl Tree {
    /// Reads one from anything the parser returns.
    pub(crate) fn of(value: &impl Serialize) -> Result<Self, Unreadable> {
        value.serialize(Reader)
    }

    /// A field of a struct.
    pub(crate) fn field(&self, wanted: &str) -> &Tree {
        match self {
            Self::Struct(_, fields) => {
                fields.iter().find(|(name, _)| *name == wanted).map_or(&Self::Nothing, |(_, value)| value)
            }
            _ => &Self::Nothing,
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Tree] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a text, or of the grammar's `String`.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Struct("String", _) => self.field("sval").text(),
            _ => "",
        }
    }

    /// The number; 0 for anything else, as the grammar's own default.
    pub(crate) fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            _ => 0,
        }
    }

    /// Whether it is a struct of this name.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Struct(name, _) if *name == wanted)
    }

    /// Whether anything is there.
    pub(crate) fn is_something(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Bool(value) => *value,
            Self::Number(_) | Self::Struct(..) => true,
        }
    }

    /// Visits it and everything below; where `visit` says so, not what is below.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Tree) -> Below) {
        if visit(self) == Below::Skip {
            return;
        }
        match self {
            Self::List(items) => items.iter().for_each(|item| item.walk(visit)),
            Self::Struct(_, fields) => fields.iter().for_each(|(_, value)| value.walk(visit)),
            _ => {}
        }
    }

    /// Whether `found` holds for it or anything below.
    pub(crate) fn any(&self, mut found: impl FnMut(&Tree) -> bool) -> bool {
        let mut any = false;
        self.walk(&mut |tree| {
            any = any || found(tree);
            if any { Below::Skip } else { Below::Visit }
        });
        any
    }
}

/// Whether a walk goes on below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Below {
    /// It does.
    Visit,
    /// It does not.
    Skip,
}

/// The parser returned what has no place in a tree.
#[derive(Debug, thiserror::Error)]
#[error("the parse tree cannot be read: {0}")]
pub(crate) struct Unreadable(String);

impl ser::Error for Unreadable {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Turns what serde tells into a tree.
struct Reader;

/// The items of a list on their way.
struct Items(Vec<Tree>);

/// The fields of a struct on their way.
struct Fields(&'static str, Vec<(&'static str, Tree)>);

type Outcome = Result<Tree, Unreadable>;

impl ser::Serializer for Reader {
    type Ok = Tree;
    type Error = Unreadable;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Impossible<Tree, Unreadable>;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    fn serialize_bool(self, value: bool) -> Outcome {
        Ok(Tree::Bool(value))
    }
    fn serialize_i8(self, value: i8) -> Outcome {
        Ok(Tree::Number(value.into()))
    }
    fn serialize_i16(self, value: i16) -> Outcome {
        Ok(Tree::Number(value.into()))
    }
    fn serialize_i32(self, value: i32) -> Outcome {
        Ok(Tree::Number(value.into()))
    }
    fn serialize_i64(self, value: i64) -> Outcome {
        Ok(Tree::Number(value))
    }
    fn serialize_u8(self, value: u8) -> Outcome {
        Ok(Tree::Number(value.into()))
    }
    fn serialize_u16(self, value: u16) -> Outcome {
        Ok(Tree::Number(value.into()))
    }
    fn serialize_u32(self, value: u32) -> Outcome {
        Ok(Tree::Number(value.into()))
    }
    fn serialize_u64(self, value: u64) -> Outcome {
        i64::try_from(value).map(Tree::Number).map_err(ser::Error::custom)
    }
    fn serialize_f32(self, value: f32) -> Outcome {
        self.serialize_f64(value.into())
    }
    fn serialize_f64(self, value: f64) -> Outcome {
        Ok(Tree::Text(value.to_string()))
    }
    fn serialize_char(self, value: char) -> Outcome {
        Ok(Tree::Text(value.to_string()))
    }
    fn serialize_str(self, value: &str) -> Outcome {
        Ok(Tree::Text(value.to_owned()))
    }
    fn serialize_bytes(self, _: &[u8]) -> Outcome {
        Err(ser::Error::custom("bytes"))
    }
    fn serialize_none(self) -> Outcome {
        Ok(Tree::Nothing)
    }
    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Outcome {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Outcome {
        Ok(Tree::Nothing)
    }
    fn serialize_unit_struct(self, name: &'static str) -> Outcome {
        Ok(Tree::Struct(name, Vec::new()))
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Outcome {
        Ok(Tree::Text(variant.to_owned()))
    }
    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Outcome {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Outcome {
        value.serialize(self) // the variant's name is the struct's
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Unreadable> {
        Ok(Items(Vec::new()))
    }
    fn serialize_tuple(self, _: usize) -> Result<Items, Unreadable> {
        Ok(Items(Vec::new()))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, Unreadable> {
        Ok(Items(Vec::new()))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Items, Unreadable> {
        Ok(Items(Vec::new()))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unreadable> {
        Err(ser::Error::custom("a map"))
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields, Unreadable> {
        Ok(Fields(name, Vec::new()))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, Unreadable> {
        Ok(Fields(variant, Vec::new()))
    }
}

impl Items {
    fn push(&mut self, value: &(impl ?Sized + Serialize)) -> Result<(), Unreadable> {
        self.0.push(value.serialize(Reader)?);
        Ok(())
    }
}

impl Fields {
    fn push(&mut self, name: &'static str, value: &(impl ?Sized + Serialize)) -> Result<(), Unreadable> {
        self.1.push((name, value.serialize(Reader)?));
        Ok(())
    }

    /// A `Node` only wraps what it holds.
    fn finish(mut self) -> Tree {
        match (self.0, self.1.len()) {
            ("Node", 1) => self.1.pop().map_or(Tree::Nothing, |(_, value)| value),
            (name, _) => Tree::Struct(name, self.1),
        }
    }
}

macro_rules! lists {
    ($($trait:ident::$method:ident,)*) => {
        $(impl $trait for Items {
            type Ok = Tree;
            type Error = Unreadable;
            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Unreadable> {
                self.push(value)
            }
            fn end(self) -> Outcome {
                Ok(Tree::List(self.0))
            }
        })*
    };
}

lists! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! structs {
    ($($trait:ident,)*) => {
        $(impl $trait for Fields {
            type Ok = Tree;
            type Error = Unreadable;
            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Unreadable> {
                self.push(name, value)
            }
            fn end(self) -> Outcome {
                Ok(self.finish())
            }
        })*
    };
}

structs! { SerializeStruct, SerializeStructVariant, }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_struct_of_a_statement_is_found_by_name() {
        let parsed = pg_query::parse(
            "SELECT lower(name) FROM t ORDER BY (SELECT 1) LIMIT 3",
            pg_query::ParserOptions::default(),
        );
        let tree = Tree::of(&parsed.unwrap().protobuf).unwrap();
        let mut names = Vec::new();
        tree.walk(&mut |tree| {
            if let Tree::Struct(name, _) = tree {
                names.push(*name);
            }
            Below::Visit
        });
        for wanted in ["SelectStmt", "FuncCall", "RangeVar", "SortBy", "SubLink", "AConst", "ColumnRef"] {
            assert!(names.contains(&wanted), "{wanted} is missing in {names:?}");
        }
        assert!(!names.contains(&"Node"));
        assert!(tree.any(|tree| tree.is("RangeVar") && tree.field("relname").text() == "t"));
    }
}
