"""The journal: what is paid for, on disk before it is sent."""
