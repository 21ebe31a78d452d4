"""Bencoding (BEP 3), decoded strictly: what a torrent client might read in two ways is refused.

Key order is not checked, since torrents with unsorted keys exist and the info hash is taken from
the bytes as they came.
"""

from collections.abc import Mapping

from clients.errors import BadAnswer, BadAnswerReason

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 1_000_000
MAX_INTEGER = 2**63

Value = int | bytes | list["Value"] | dict[bytes, "Value"]


def decode_dictionary(data: bytes) -> tuple[dict[bytes, Value], Mapping[bytes, bytes]]:
    """The dictionary that is all of `data`, and the encoded bytes of each of its values.

    BadAnswer: EMPTY, HTML (starts like markup), TOO_LARGE, TRUNCATED or MALFORMED.
    """
    if not data:
        raise BadAnswer("the torrent file is empty", reason=BadAnswerReason.EMPTY)
    if data.lstrip()[:1] == b"<":
        raise BadAnswer("a web page came instead of a torrent file", reason=BadAnswerReason.HTML)
    if len(data) > MAX_BYTES:
        raise BadAnswer(f"the torrent file has more than {MAX_BYTES} bytes", reason=BadAnswerReason.TOO_LARGE)
    return _Decoder(data).decode()


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._values = 0

    def decode(self) -> tuple[dict[bytes, Value], Mapping[bytes, bytes]]:
        if self._peek() != b"d":
            raise self._malformed("no dictionary")
        encoded: dict[bytes, bytes] = {}
        whole = self._dictionary(1, encoded)
        if self._at != len(self._data):
            raise self._malformed("trailing data")
        return whole, encoded

    def _value(self, depth: int) -> Value:
        self._values += 1
        if depth > MAX_DEPTH or self._values > MAX_VALUES:
            raise self._malformed("nested too deep or too many values")
        kind = self._peek()
        if kind == b"i":
            return self._integer()
        if kind == b"l":
            return self._list(depth)
        if kind == b"d":
            return self._dictionary(depth)
        return self._string()

    def _peek(self) -> bytes:
        kind = self._data[self._at : self._at + 1]
        if not kind:
            raise self._truncated()
        return kind

    def _dictionary(self, depth: int, encoded: dict[bytes, bytes] | None = None) -> dict[bytes, Value]:
        whole: dict[bytes, Value] = {}
        self._at += 1
        while self._peek() != b"e":
            key = self._string()
            if key in whole:
                raise self._malformed("a key given twice")
            start = self._at
            whole[key] = self._value(depth + 1)
            if encoded is not None:
                encoded[key] = self._data[start : self._at]
        self._at += 1
        return whole

    def _list(self, depth: int) -> list[Value]:
        whole: list[Value] = []
        self._at += 1
        while self._peek() != b"e":
            whole.append(self._value(depth + 1))
        self._at += 1
        return whole

    def _integer(self) -> int:
        text = self._digits(b"e", start=self._at + 1, most=20)
        number = text.removeprefix(b"-")
        if not number.isdigit() or (number[:1] == b"0" and text != b"0") or int(number) > MAX_INTEGER:
            raise self._malformed("not an integer")
        return int(text)

    def _string(self) -> bytes:
        text = self._digits(b":", start=self._at, most=8)
        if not text.isdigit() or (text[:1] == b"0" and text != b"0"):
            raise self._malformed("not a string")
        start = self._at
        self._at += int(text)
        if self._at > len(self._data):
            raise self._truncated()
        return self._data[start : self._at]

    def _digits(self, end: bytes, *, start: int, most: int) -> bytes:
        found = self._data.find(end, start, start + most + 1)
        if found < 0:
            rest = self._data[start : start + most + 1]
            is_cut_off = (len(rest) <= most and rest.lstrip(b"-").isdigit()) or not rest
            raise self._truncated() if is_cut_off else self._malformed("no number")
        self._at = found + 1
        return self._data[start:found]

    def _malformed(self, what: str) -> BadAnswer:
        return BadAnswer(f"not a torrent file: {what} at byte {self._at}", reason=BadAnswerReason.MALFORMED)

    def _truncated(self) -> BadAnswer:
        return BadAnswer("the torrent file is cut off", reason=BadAnswerReason.TRUNCATED)
