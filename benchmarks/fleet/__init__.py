"""Benchmarks of a fleet: claims by PgQueuer, and a simulation based on their figures."""
