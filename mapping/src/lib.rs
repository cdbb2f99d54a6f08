//! From points and edges to spans, and the propagation of traces, lanes and units.
//!
//! This crate does no I/O and has no `unsafe`; it can be used alone. The way of the data:
//!
//! - [`record`] is what the kernel saw; an [`assemble::Assembler`] takes it in its order,
//! - joins the heads of payloads to their exchange, which [`protocol`] reads,
//! - waits until nothing new comes of it, and adopts orphans meanwhile,
//! - lets [`propagation`] read what the headers carry,
//! - and [`map`] makes a [`span`] of it, with the offset of the [`clock`] at that time.
#![forbid(unsafe_code)]

pub mod assemble;
mod attributes;
pub mod clock;
#[cfg(test)]
mod fixture;
pub mod map;
mod ordered;
pub mod propagation;
pub mod protocol;
mod recent;
pub mod record;
mod slots;
pub mod span;
mod text;
