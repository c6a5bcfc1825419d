"""Endpoints of assets that are made once and used in many requests: voices, elements, faces."""
