"""Code shared by the paths of the current generation: one object per task, one path to query all tasks."""
