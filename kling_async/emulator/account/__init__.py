"""The emulated account: its tasks over time, its ledger, and how it may deviate from its configuration."""
