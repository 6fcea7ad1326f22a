//! Strict reading: a value of the wrong kind is a fault, where the library underneath would convert it.
//!
//! Only a value from the environment is text whatever it means, and is read as what is wanted.

use std::fmt::{self, Display};

use config::{Value, ValueKind};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_path_to_error::Segment;

use super::fault::Faults;

/// How the library names the origin of a value that came from a variable.
pub(super) const ENVIRONMENT: &str = "environment";

/// Separates the items of a list in a variable.
const LIST_SEPARATOR: char = ',';

/// Reads one section. Each fault is told, its value taken out, and the rest read again, until it is whole.
pub(super) fn read<T: DeserializeOwned + Default>(key: &str, mut section: Value, faults: &mut Faults) -> T {
    loop {
        let error = match serde_path_to_error::deserialize(Strict(section.clone())) {
            Ok(read) => return read,
            Err(error) => error,
        };
        let path: Vec<&str> = error
            .path()
            .iter()
            .map_while(|segment| match segment {
                Segment::Map { key } => Some(key.as_str()),
                Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
            })
            .collect();
        let place = std::iter::once(key)
            .chain(path.iter().copied())
            .collect::<Vec<_>>()
            .join(".");
        faults.add(place, error.inner().to_string());
        if !take_out(&mut section, &path) {
            return T::default();
        }
    }
}

fn take_out(value: &mut Value, path: &[&str]) -> bool {
    let (Some((first, rest)), ValueKind::Table(table)) = (path.split_first(), &mut value.kind) else {
        return false;
    };
    if rest.is_empty() {
        return table.remove(*first).is_some();
    }
    table.get_mut(*first).is_some_and(|inner| take_out(inner, rest))
}

/// What a value must be. It never says what it is.
#[derive(Debug)]
struct Rule(String);

impl Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rule {}

impl serde::de::Error for Rule {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_value(Unexpected::Unit, expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let plain = match expected.as_str() {
            "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
            "f32" | "f64" => "a number",
            "a boolean" => "true or false",
            "a sequence" => "a list",
            other if other.starts_with("struct ") => "a table",
            other => other,
        };
        Self(format!("must be {plain}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("unknown key; known here are {}", expected.join(", ")))
    }
}

struct Strict(Value);

impl Strict {
    /// The text of a variable.
    fn variable(&self) -> Option<&str> {
        match &self.0.kind {
            ValueKind::String(text) if self.0.origin().is_some_and(|from| from.ends_with(ENVIRONMENT)) => {
                Some(text.trim())
            }
            _ => None,
        }
    }
}

macro_rules! from_variable {
    ($($method:ident: $kind:ty => $visit:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rule> {
            match self.variable().and_then(|text| text.parse::<$kind>().ok()) {
                Some(value) => visitor.$visit(value),
                None => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Rule;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rule> {
        let Strict(value) = self;
        match value.kind {
            ValueKind::Nil => visitor.visit_unit(),
            ValueKind::Boolean(value) => visitor.visit_bool(value),
            ValueKind::I64(value) => visitor.visit_i64(value),
            ValueKind::I128(value) => visitor.visit_i128(value),
            ValueKind::U64(value) => visitor.visit_u64(value),
            ValueKind::U128(value) => visitor.visit_u128(value),
            ValueKind::Float(value) => visitor.visit_f64(value),
            ValueKind::String(value) => visitor.visit_string(value),
            ValueKind::Table(table) => visitor.visit_map(MapDeserializer::new(
                table.into_iter().map(|(key, value)| (key, Strict(value))),
            )),
            ValueKind::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Strict))),
        }
    }

    from_variable! {
        deserialize_bool: bool => visit_bool,
        deserialize_i64: i64 => visit_i64,
        deserialize_u16: u64 => visit_u64,
        deserialize_u32: u64 => visit_u64,
        deserialize_u64: u64 => visit_u64,
        deserialize_f64: f64 => visit_f64,
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rule> {
        let Some(text) = self.variable() else {
            return self.deserialize_any(visitor);
        };
        let origin = self.0.origin().map(str::to_owned);
        let items = text
            .split(LIST_SEPARATOR)
            .map(str::trim)
            .filter(|item| !item.is_empty());
        let items = items.map(|item| Strict(Value::new(origin.as_ref(), item)));
        visitor.visit_seq(SeqDeserializer::new(items))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rule> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Rule> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Rule> {
        match self.0.kind {
            ValueKind::String(text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(serde::de::Error::unknown_variant("", variants)),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct map
        struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Rule> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
