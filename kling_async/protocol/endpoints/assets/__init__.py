"""Endpoints of what is made once and used in many requests: voices, elements, faces."""
