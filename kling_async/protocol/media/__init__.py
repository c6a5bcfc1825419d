"""What users give and what results look like, by their bytes."""
