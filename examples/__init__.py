"""Example programs to copy from; each module docstring describes one."""
