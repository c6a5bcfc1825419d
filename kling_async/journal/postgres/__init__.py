"""The journal in a database of Postgres, for clients of many machines; needs the extra `fleet`."""
