//! Protected health information, wrapped so that it cannot slip into a log line, an error or a URL.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that identifies a patient or tells of their health (design.md P10).
///
/// It has no `Display`, and its `Debug` says `[phi]`. Reading it takes [`Phi::expose`], which is easy to
/// search for; writing it to JSON takes `#[serde(with = "crate::care::phi::sealed")]` on the field, which is
/// allowed only in documents that are sealed before they are stored.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; every call is a place where health data is used on purpose.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> std::fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[phi]")
    }
}

impl From<&str> for Phi<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl From<String> for Phi<String> {
    fn from(value: String) -> Self {
        Self(value)
    }
}

/// Serde for a [`Phi`] field of a document that is sealed before it is stored.
pub mod sealed {
    use super::{Deserialize, Deserializer, Phi, Serialize, Serializer};

    /// Writes the value in clear, into a document that the caller seals.
    pub fn serialize<T: Serialize, S: Serializer>(phi: &Phi<T>, s: S) -> Result<S::Ok, S::Error> {
        phi.expose().serialize(s)
    }

    /// Reads the value from an unsealed document.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Phi<T>, D::Error> {
        T::deserialize(d).map(Phi::new)
    }
}

/// The same as [`sealed`] for an optional field.
pub mod sealed_option {
    use super::{Deserialize, Deserializer, Phi, Serialize, Serializer};

    /// Writes the value, or null.
    pub fn serialize<T: Serialize, S: Serializer>(
        phi: &Option<Phi<T>>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        phi.as_ref().map(Phi::expose).serialize(s)
    }

    /// Reads the value, or null.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Phi<T>>, D::Error> {
        Ok(Option::<T>::deserialize(d)?.map(Phi::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_debug_never_shows_the_value() {
        assert_eq!(format!("{:?}", Some(Phi::from("metformin"))), "Some([phi])");
    }
}
