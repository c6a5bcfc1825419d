"""What goes wrong on purpose, and how it is applied to an answer."""
