//! The room sandbox.
