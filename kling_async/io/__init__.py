"""The shell: everything that awaits, reads, writes or tells the time; it decides nothing that the core can decide."""
