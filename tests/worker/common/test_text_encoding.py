import pytest

from stripwatch.worker.common.text_encoding import BYTE_ORDER_MARK, decode_utf8, decode_utf8_with_mark

TEXT = 'group_id = "Stra\u00dfe"\r\n'


def test_removes_the_byte_order_mark() -> None:
    assert decode_utf8(TEXT.encode("utf-8-sig")) == decode_utf8(TEXT.encode()) == TEXT
    assert decode_utf8_with_mark(TEXT.encode("utf-8-sig")) == BYTE_ORDER_MARK + TEXT


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (TEXT.encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "it is UTF-16 text; save it as UTF-8"),
        (TEXT.encode("utf-32"), "it is UTF-32 text; save it as UTF-8"),
        (b"a = 1\n" + TEXT.encode("cp1252"), "it is not UTF-8 text (line 2, byte 22); save it as UTF-8"),
    ],
)
def test_names_another_encoding(raw: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match="save it as UTF-8") as raised:
        decode_utf8(raw)
    assert str(raised.value) == sentence
