"""The service's own side: the account, its tasks, and the calls that reach it."""
