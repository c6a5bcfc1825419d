"""Files that users give, and the structure of result files."""
