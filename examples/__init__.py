"""Programs to copy from; each says in its first lines what it does."""
