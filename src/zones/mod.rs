//! The room zones.
