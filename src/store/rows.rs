//! Rows that travel to the database as one JSON parameter (`dialect::insert_rows`), written straight out: a tree of
//! values in between would cost more than the statement.

use super::{Result, StoreError};
use crate::security::hex;
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// Rows as the JSON list that the `rows` fragment and `insert_rows` read.
pub(crate) fn rows<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Result<String> {
    let mut list = Vec::new();
    let written = serde_json::Serializer::new(&mut list).collect_seq(rows);
    written.map_err(|fault| StoreError::Refused(sqlx::Error::Encode(fault.into())))?;
    String::from_utf8(list).map_err(|fault| StoreError::Refused(sqlx::Error::Encode(fault.into())))
}

/// An id, as a column of kind `id` reads it.
pub(crate) struct Id(pub(crate) Uuid);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_str(&self.0.simple())
    }
}

/// Bytes, as a column of kind `bytes` reads them.
pub(crate) struct Bytes<T>(pub(crate) T);

impl<T: AsRef<[u8]>> Serialize for Bytes<T> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(&hex(self.0.as_ref()))
    }
}

/// A value that its column holds as JSON text.
pub(crate) struct Json<'a, T>(pub(crate) &'a T);

impl<T: Serialize> Serialize for Json<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let text = serde_json::to_string(self.0).map_err(serde::ser::Error::custom)?;
        to.serialize_str(&text)
    }
}
