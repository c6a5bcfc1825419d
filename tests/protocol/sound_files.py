"""Beginnings of sound files, and a complete WAV."""

import struct

MP3 = b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\0" + bytes(200)
MP3_FRAMES = b"\xff\xf3\x90\0" + bytes(200)
M4A = b"\0\0\0\x20ftypM4A " + bytes(200)
MP4 = b"\0\0\0\x20ftypisom" + bytes(200)
AAC = b"\xff\xf1\x50\x80" + bytes(200)
OGG = b"OggS" + bytes(200)


def wav(seconds: float = 0.1) -> bytes:
    """Silence: 8000 samples of 8 bits per second."""
    samples = b"\x80" * int(seconds * 8000)
    form = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data" + struct.pack("<I", len(samples))
    return b"RIFF" + struct.pack("<I", len(form) + len(samples)) + form + samples
