"""The same jobs on many machines, on Postgres, any of which may die; needs the extra `fleet`."""
