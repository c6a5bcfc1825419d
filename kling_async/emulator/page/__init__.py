"""The page at the root of the emulator: the state of the account in a browser."""
