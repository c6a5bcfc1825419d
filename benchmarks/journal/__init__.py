"""What the journal costs: the same work with it and without, syncs of the disk, large files, several processes."""
