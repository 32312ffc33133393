//! Tests of channel.
