"""Endpoints that make sound."""
