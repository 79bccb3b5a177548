"""The source of a frame (ce_source): a URI reference, percent-encoded, whose path ends with the name of the camera."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

NAME_CHARS_MAX = 200
SOURCE_CHARS_MAX = 2000  # a Chinese name takes nine characters for each of its own
_MALFORMED_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME_ONLY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/*")  # of https://camera: no line stands before the camera
_QUERY_OR_FRAGMENT = re.compile(r"[?#]")  # RFC 3986: the first of them ends the path


@dataclass(frozen=True, slots=True)
class CameraSource:
    """uri: as it came, for the events of the frame; None where it is absent or unreadable.

    line_uri: the part of it that names the line, as it came. line, camera: the names, percent-decoded.
    malformed: it is there, and is not as it should be.
    """

    uri: str | None = None
    line_uri: str | None = None
    line: str | None = None
    camera: str | None = None
    malformed: bool = False


@lru_cache(maxsize=1024)
def parse_source(text: str) -> CameraSource:
    """`/site/area/line/camera`, `https://plant/line/camera` or `urn:camera:42`.

    A name in it must be valid UTF-8 without control characters once it is decoded. A slash at the end, a query and a
    fragment are malformed as well, since nothing says what they name: two cameras may become one. The path before them
    still names the camera.
    """
    path = _QUERY_OR_FRAGMENT.split(text, maxsplit=1)[0].rstrip("/")
    line, _, camera = path.rpartition("/")
    if _SCHEME_ONLY.fullmatch(path):  # nothing stands behind the scheme
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
    """The source of a camera that did not send one."""
    return f"{quote(line or '')}/{quote(camera, safe='')}"


def _decoded(part: str) -> str:
    """Raises ValueError for what cannot be a name."""
    if _MALFORMED_PERCENT.search(part):
        raise ValueError("a percent sign without two hexadecimal digits")
    name = unquote_to_bytes(part).decode()
    if len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise ValueError("a name that is too long or has control characters")
    return name
