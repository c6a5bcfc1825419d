"""The version: stated here, and read from here by all that tell it, the build included."""

__version__ = "0.1.0"
