"""Decompression of record batches in pieces, which does not rely on the sizes that they state."""

import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import lz4.frame
import snappy
import zstandard

PIECE_BYTES = 1_048_576
_GZIP_WINDOW = 31  # zlib's number for a gzip header and the largest window
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16
_FRAMES_MAX = 1000  # per batch; senders write one, and each further frame costs a copy of the remaining bytes
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4  # codec ids of the Kafka protocol


class BlockTooLargeError(Exception):
    """A block that can only be unpacked as a whole exceeds the limit."""


def unpack(codec: int, packed: memoryview, block_bytes_max: int) -> Iterator[bytes]:
    """Decompress into pieces of at most PIECE_BYTES, or of at most block_bytes_max for Snappy.

    codec: codec id of the Kafka protocol. Raises BlockTooLargeError, or any exception of the codec's library for
    damaged bytes.
    """
    if codec == _SNAPPY:
        return _unpack_snappy(bytes(packed), block_bytes_max)
    if codec == _ZSTD:
        return _unpack_zstd(packed)
    if codec == _GZIP:
        return _unpack_frames(lambda: zlib.decompressobj(_GZIP_WINDOW), packed)
    if codec == _LZ4:
        return _unpack_frames(lz4.frame.LZ4FrameDecompressor, packed)
    raise ValueError(f"Kafka has no codec {codec}")


def _unpack_frames(new_decoder: Callable[[], Any], packed: memoryview) -> Iterator[bytes]:
    """Decompress gzip and LZ4, whose decoders stop at the end of a frame although another one may follow."""
    left: bytes | memoryview = packed
    frames = 0
    while left:
        frames += 1
        if frames > _FRAMES_MAX:
            raise ValueError(f"the compressed data has more than {_FRAMES_MAX} frames")
        decoder = new_decoder()
        piece = decoder.decompress(left, PIECE_BYTES)
        while not decoder.eof:
            if piece:
                yield piece
            waiting = getattr(decoder, "unconsumed_tail", b"")  # zlib returns unread input; LZ4 keeps it
            previous, piece = piece, decoder.decompress(waiting, PIECE_BYTES)
            if not (piece or previous or waiting):
                raise EOFError("the compressed data is truncated")
        if piece:
            yield piece
        left = decoder.unused_data or b""


def _unpack_zstd(packed: memoryview) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed), read_across_frames=True) as reader:
        while piece := reader.read(PIECE_BYTES):
            yield piece


def _unpack_snappy(packed: bytes, block_bytes_max: int) -> Iterator[bytes]:
    """Decompress Snappy. Java clients write framed blocks of 32 KB (xerial), other clients one block."""
    if not packed.startswith(_XERIAL):
        yield _snappy_block(packed, block_bytes_max)
        return
    at = _XERIAL_HEADER_BYTES
    while at < len(packed):
        size = int.from_bytes(packed[at : at + 4], "big")
        at += 4
        if at + size > len(packed):
            raise EOFError("the compressed data is truncated")
        yield _snappy_block(packed[at : at + size], block_bytes_max)
        at += size


def _snappy_block(block: bytes, bytes_max: int) -> bytes:
    size = shift = 0  # a block starts with its unpacked size as a varint
    for byte in block[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size > bytes_max:
        raise BlockTooLargeError(f"a Snappy block unpacks to {size} bytes")
    unpacked: bytes = snappy.decompress(block)
    return unpacked
