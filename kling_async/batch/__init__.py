"""Batches: many pieces of work from one file of jobs, which can be killed and started again at any moment."""
