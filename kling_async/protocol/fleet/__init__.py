"""What the fleet decides: states of its jobs, limits that it has learned, names and places."""
