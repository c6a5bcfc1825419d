"""Endpoints that tell of the account."""
