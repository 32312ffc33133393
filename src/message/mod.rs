//! The room message.
