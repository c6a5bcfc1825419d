"""The shell: all I/O and all use of clocks. Decisions are made in `protocol`."""
