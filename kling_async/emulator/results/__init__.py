"""Result files: placeholders that need no extra, rendered files, and their storage."""
