"""Decoding of text files written by people: UTF-8, with or without a byte order mark."""

import codecs

BYTE_ORDER_MARK = "\ufeff"
_OTHERS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, because this mark starts with that of UTF-16
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def decode_utf8(raw: bytes) -> str:
    """Decode UTF-8 and remove the byte order mark. Raises ValueError that names the encoding if it is another one."""
    return decode_utf8_with_mark(raw).removeprefix(BYTE_ORDER_MARK)


def decode_utf8_with_mark(raw: bytes) -> str:
    """Decode UTF-8 and keep the byte order mark, for a file that is written back. Raises ValueError."""
    for mark, name in _OTHERS.items():
        if raw.startswith(mark):
            raise ValueError(f"it is {name} text; save it as UTF-8")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it is not UTF-8 text (line {line}, byte {error.start}); save it as UTF-8") from error
