"""Mutation testing: makes small changes on purpose, and checks whether tests fail."""
