"""Batches on real sockets and virtual time."""
