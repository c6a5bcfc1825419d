"""Checks of requests shared by several endpoints, written from the documentation independently of the client."""
