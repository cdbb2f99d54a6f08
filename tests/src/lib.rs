//! What the end-to-end tests stand on: hosts, servers, back ends and the truth.
