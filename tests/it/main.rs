//! The one integration binary: behaviour across rooms, a module per theme.

#![cfg(test)]

mod channel;
mod cli;
mod commands;
mod config;
mod daemon;
mod delivery;
mod demo;
mod failover;
mod house;
mod import;
mod jobs;
mod journey;
mod kills;
mod message;
mod postgres;
mod process;
mod rooms;
mod sandbox;
mod schedule;
mod store;
mod timing;
mod watch;
mod zones;
