//! The room import.
