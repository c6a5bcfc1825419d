"""The commands, one module each; `run` carries one out."""
