"""Result files: placeholder videos from the core install, and where files are kept."""
