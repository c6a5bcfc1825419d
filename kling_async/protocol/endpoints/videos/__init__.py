"""Endpoints that make videos."""
