//! How often is the parent right? Real programs under load, and the truth about every request.
//!
//! Every request has a unique id, which the program in the middle passes on in each request of its
//! own: in the path, in the Redis key, in an argument of the statement. [`requests`] cuts what the
//! far end received into requests, [`matching`] finds the span of each by the context in the TCP
//! option at those very bytes, and [`judge`] says of each whether its parent is the visit whose own
//! request carried the same id. Nothing that the agent says about itself is believed.
//!
//! [`catalogue`] lists the programs, [`cell`] runs one of them at one concurrency, and [`table`]
//! writes down what came of it.

pub mod catalogue;
pub mod cell;
pub mod judge;
pub mod matching;
pub mod programs;
pub mod requests;
pub mod table;
