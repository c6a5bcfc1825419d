"""The journal in a Postgres database, for clients on many machines; needs the extra `fleet`."""
