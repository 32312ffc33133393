//! The one integration binary: behaviour across rooms, a module per theme.

mod channel;
mod config;
mod import;
mod message;
mod rooms;
mod sandbox;
mod store;
mod timing;
mod zones;
