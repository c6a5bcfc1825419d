"""The documentation: pages, and what makes others of the code."""
