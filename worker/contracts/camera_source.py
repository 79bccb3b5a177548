"""Parser for the source of a frame (`ce_source`): a percent-encoded URI reference whose path ends with the camera."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

NAME_CHARS_MAX = 200
SOURCE_CHARS_MAX = 2000  # a percent-encoded Chinese character takes nine
_MALFORMED_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME_ONLY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/*")  # as in https://camera, where no line precedes the camera
_QUERY_OR_FRAGMENT = re.compile(r"[?#]")  # the first of these characters ends the path (RFC 3986)


@dataclass(frozen=True, slots=True)
class CameraSource:
    """Parsed `ce_source` header.

    Attributes:
        uri: The unchanged header value, for the events of the frame; None if it is missing or unreadable.
        line_uri: The part of `uri` that names the line, unchanged.
        line: Name of the line, percent-decoded.
        camera: Name of the camera, percent-decoded.
        malformed: True if the header is present but malformed.
    """

    uri: str | None = None
    line_uri: str | None = None
    line: str | None = None
    camera: str | None = None
    malformed: bool = False


@lru_cache(maxsize=1024)
def parse_source(text: str) -> CameraSource:
    """Parse a source such as `/site/area/line/camera`, `https://plant/line/camera` or `urn:camera:42`.

    Decoded names must be valid UTF-8 without control characters. A trailing slash, a query or a fragment is also
    malformed, because two cameras that differ only there would be treated as one. The path still gives the camera.
    """
    path = _QUERY_OR_FRAGMENT.split(text, maxsplit=1)[0].rstrip("/")
    line, _, camera = path.rpartition("/")
    if _SCHEME_ONLY.fullmatch(path):  # nothing follows the scheme
        camera = ""
    if _SCHEME_ONLY.fullmatch(line):
        line = ""
    try:
        camera_name, line_name = _decoded(camera), _decoded(line)
    except ValueError:
        return CameraSource(malformed=True)
    if camera_name in ("", ".", ".."):
        return CameraSource(malformed=True)
    return CameraSource(text, line or None, line_name or None, camera_name, malformed=path != text)


@lru_cache(maxsize=1024)
def make_source(line: str | None, camera: str) -> str:
    """Return a source made from line and camera, for a camera that did not send one."""
    return f"{quote(line or '')}/{quote(camera, safe='')}"


def _decoded(part: str) -> str:
    """Percent-decode a name. Raises ValueError if it is not a valid name."""
    if _MALFORMED_PERCENT.search(part):
        raise ValueError("percent sign without two hexadecimal digits")
    name = unquote_to_bytes(part).decode()
    if len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise ValueError("name is too long or has control characters")
    return name
