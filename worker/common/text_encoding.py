"""Text in files that people write: UTF-8, with or without a byte order mark, from any editor."""

import codecs

BYTE_ORDER_MARK = "\ufeff"
_OTHERS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def decode_utf8(raw: bytes) -> str:
    """The text without its byte order mark. Raises ValueError that says which encoding it has, and what to do."""
    return decode_utf8_with_mark(raw).removeprefix(BYTE_ORDER_MARK)


def decode_utf8_with_mark(raw: bytes) -> str:
    """The text as it is, for a file that is written back. Raises ValueError."""
    for mark, name in _OTHERS.items():
        if raw.startswith(mark):
            raise ValueError(f"it is {name} text; save it as UTF-8")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it is not UTF-8 text (line {line}, byte {error.start}); save it as UTF-8") from error
