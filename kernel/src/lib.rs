//! Lanewire's eBPF programs and their loader.
