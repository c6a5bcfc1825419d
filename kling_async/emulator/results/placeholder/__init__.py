"""Result files without an encoder: videos of a still picture as real H.264 in MP4, PNG pictures and sounds."""
