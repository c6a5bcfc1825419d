"""Measures what the journal costs: the same work with and without it, syncs, large journals, several processes."""
