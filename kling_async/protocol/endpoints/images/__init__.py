"""Endpoints that make pictures."""
