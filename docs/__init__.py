"""The documentation: its pages, and the tools that generate further ones from the code."""
