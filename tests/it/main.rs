//! The one integration binary: behaviour across rooms, a module per theme.

#![cfg(test)]

mod channel;
mod cli;
mod commands;
mod config;
mod demo;
mod house;
mod import;
mod journey;
mod message;
mod postgres;
mod rooms;
mod sandbox;
mod store;
mod timing;
mod zones;
