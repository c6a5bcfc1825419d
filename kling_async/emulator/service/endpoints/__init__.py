"""The emulated endpoints, collected automatically: a new one is a module here with `ENDPOINT` or several `ENDPOINTS`.

Their checks are written from the documentation and deliberately not shared with the client, so that a mistake in one
shows against the other. Messages are the recorded ones where there is a record.
"""
