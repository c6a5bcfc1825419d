"""Batches: generate many results from one file of jobs; can be killed and restarted at any time."""
