"""Mutations: small mistakes that are made on purpose, and whether the tests see them."""
