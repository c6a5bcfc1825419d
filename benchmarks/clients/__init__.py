"""The same work by each client: whatever runs here runs in the client's own environment.

So its modules import nothing but the standard library and that one client.
"""
