"""A WebP file of its pixels alone: without metadata, and without an alpha channel that is stored apart."""

import struct

from stripwatch.worker.images.headers.webp import image_chunk


def minimal_webp(encoded: bytes) -> bytes:
    name, body = image_chunk(encoded)
    chunk = name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
