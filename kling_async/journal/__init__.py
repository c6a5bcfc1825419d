"""The journal: a record on disk of each create, written before the create is sent."""
