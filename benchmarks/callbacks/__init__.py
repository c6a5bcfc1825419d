"""Measures what callbacks cost the receiving process: a receiver with waiters against a handler that only reads."""
