"""Default limits on frames, for the worker, every command and training.

An 8192 x 4096 frame of a line-scan camera has 33,554,432 pixels, which is also its size in bytes as a Mono8 buffer.
Both limits leave some room for longer frames, strides and metadata. Mono16 and RGB8 buffers are two and three times as
large: they need a higher `frames.bytes_max`, more memory, and a higher `max.message.bytes` of the topics.
"""

FRAME_BYTES_MAX = 36_000_000
FRAME_PIXELS_MAX = 36_000_000
FRAME_SIDE_PX_MIN = 8
MESSAGE_BYTES_MAX = 36 * 1024 * 1024  # max.message.bytes of a topic: the largest frame and its headers
