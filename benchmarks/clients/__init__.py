"""The same work by each client, run in that client's virtual environment.

The modules therefore import nothing but the standard library and that one client.
"""
