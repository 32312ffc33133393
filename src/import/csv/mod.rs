//! x
use crate::import::{Item, Settings};
pub(crate) fn read(_source: &str, _table: &str, _settings: &Settings<'_>) -> Vec<Item> {
    Vec::new()
}
