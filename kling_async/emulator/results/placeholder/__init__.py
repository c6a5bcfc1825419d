"""Videos without an encoder: a still picture with big letters, as real H.264 in MP4."""
