"""Faults: their kinds, the calls that they happen to, and their effect on answers."""
