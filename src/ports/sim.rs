//! Simulated twins of the ports.
