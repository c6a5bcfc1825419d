"""Endpoints about the account."""
