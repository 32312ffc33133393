//! The one integration binary: behaviour across rooms, a module per theme.

#![cfg(test)]

mod channel;
mod cli;
mod config;
mod delivery;
mod house;
mod import;
mod journey;
mod message;
mod postgres;
mod rooms;
mod sandbox;
mod schedule;
mod store;
mod timing;
mod zones;
