"""Kling in a web service."""
