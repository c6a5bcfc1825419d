"""What the paths of the current generation share: one object per task, one place to ask for all of them."""
