"""Names of all record headers: CloudEvents with extension attributes, and those with the prefix `stripwatch_`.

Cameras send the headers of frames, and the worker writes those of events. For frame copies see frame_headers.py.
"""

# CloudEvents 1.0 in the binary mode of its Kafka binding, on frames and on events.
SPECVERSION = "ce_specversion"
ID = "ce_id"
SOURCE = "ce_source"
TYPE = "ce_type"
TIME = "ce_time"
SUBJECT = "ce_subject"  # the coil
STRIP_POSITION_MM = "ce_strippositionmm"
STRIP_DIRECTION = "ce_stripdirection"
CONTENT_TYPE = "content-type"
TRACEPARENT = "traceparent"

# Only on frames.
BLOCK_ID = "ce_blockid"
PIXEL_FORMAT = "ce_pixelformat"
WIDTH_PX = "ce_widthpx"
HEIGHT_PX = "ce_heightpx"
STRIDE_BYTES = "ce_stridebytes"

OWN_PREFIX = "stripwatch_"
REPLAYS = OWN_PREFIX + "replays"  # on a frame: number of times that it was sent again
REPLAY_OF = OWN_PREFIX + "replay_of"  # on a frame that was sent again: id of its first reject
REPLAYED = OWN_PREFIX + "replayed"  # only header of a replay mark: id of the frame's first reject

# On corrections, which are copies of frames.
CORRECTION = OWN_PREFIX + "correction"
CORRECTED_LABEL = OWN_PREFIX + "corrected_label"
CORRECTED_BY = OWN_PREFIX + "corrected_by"
CORRECTED_AT = OWN_PREFIX + "corrected_at"
ORIGINAL_VERDICT = OWN_PREFIX + "original_verdict"

# On copies of frames.
ORIGINAL_PREFIX = "original."  # prefix of each header that the camera sent
KEY = OWN_PREFIX + "key"
KEY_DROPPED = OWN_PREFIX + "key_dropped"
HEADERS_DROPPED = OWN_PREFIX + "headers_dropped"
