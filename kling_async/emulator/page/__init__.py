"""The page for people: what the account holds, in a browser."""
