"""The largest frame that is read unless a setting says otherwise: in training, in every command and on the line.

An 8192 x 4096 frame of a line-scan camera has 33,554,432 pixels, and as many bytes as a Mono8 buffer. Both limits leave
some room for longer frames, strides and metadata. The buffers of Mono16 and RGB8 are two and three times as large: they
need a higher frames.bytes_max, and with it more memory and a higher max.message.bytes of the topics.
"""

FRAME_BYTES_MAX = 36_000_000
FRAME_PIXELS_MAX = 36_000_000
FRAME_SIDE_PX_MIN = 8
MESSAGE_BYTES_MAX = 36 * 1024 * 1024  # of a topic: such a frame with its headers
