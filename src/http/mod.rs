//! The room http.
