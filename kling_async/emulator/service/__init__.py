"""The service: its endpoints with their checks and answers, and the HTTP application."""
