"""The emulated account: its tasks over time, its books, and how it may differ from what it was told."""
