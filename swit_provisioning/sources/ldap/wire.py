"""LDAP's bytes: requests put together, the answer to a search taken apart as it comes.

No socket here: what sends and receives is in `ldap_exchange`. Of BER (X.690) exactly that is read
which LDAP allows (RFC 4511, 5.1): definite lengths, of at most four octets. Everything else is a
`WireError`; none of these functions raises anything else, whatever the bytes.
"""

from dataclasses import dataclass

PAGED_RESULTS = b"1.2.840.113556.1.4.319"

SEQUENCE, SET, OCTETS, INTEGER, ENUMERATED, BOOLEAN = 0x30, 0x31, 0x04, 0x02, 0x0A, 0x01
SEARCH_ENTRY, SEARCH_DONE, SEARCH_REFERENCE, EXTENDED_RESPONSE = 0x64, 0x65, 0x73, 0x78
BIND_RESPONSE = 0x61
CONTROLS, REFERRAL = 0xA0, 0xA3

UNBIND = b"\x42\x00"
START_TLS = b"\x77\x18\x80\x161.3.6.1.4.1.1466.20037"

_SHORT = 0x7F
_LENGTH_OCTETS = 4
# What may stand behind the text of a result (RFC 4511, 4.2.2, 4.5.2 and 4.12).
_BEHIND_RESULT = {
    SEARCH_DONE: {REFERRAL},
    BIND_RESPONSE: {REFERRAL, 0x87},
    EXTENDED_RESPONSE: {REFERRAL, 0x8A, 0x8B},
}
_INTEGER_OCTETS = 8

Data = bytes | bytearray


class WireError(ValueError):
    """The bytes are no LDAP; the message says what is wrong with them, and where."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How an operation ended: `LDAPResult` and the paging control's cookie."""

    code: int
    matched_dn: str
    message: str
    cookie: bytes | None
    """Where the next page begins; empty behind the last one, `None` without that control."""


def element(tag: int, *contents: bytes) -> bytes:
    """Put contents together under one tag."""
    content = b"".join(contents)
    size = len(content)
    if size <= _SHORT:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, ~_SHORT & 0xFF | len(length))) + length + content


def number(value: int) -> bytes:
    """An integer that is not negative."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def request(message_id: int, operation: bytes, *controls: bytes) -> bytes:
    """A message to the server."""
    behind = (element(CONTROLS, *controls),) if controls else ()
    return element(SEQUENCE, number(message_id), operation, *behind)


def bind(user: str, password: str) -> bytes:
    """A login with a password; both go out as they were typed."""
    name, secret = element(OCTETS, user.encode()), element(0x80, password.encode())
    return element(0x60, number(3), name, secret)


def paging(size: int, cookie: bytes) -> bytes:
    """The control that asks for a page of so many entries, or else for an error (RFC 2696)."""
    value = element(SEQUENCE, number(size), element(OCTETS, cookie))
    critical = element(BOOLEAN, b"\xff")
    return element(SEQUENCE, element(OCTETS, PAGED_RESULTS), critical, element(OCTETS, value))


def header(data: Data, at: int, end: int) -> tuple[int, int, int]:
    """Read the header at `at` of a value that ends at `end` or before.

    Returns:
        The tag; where the content begins; where it ends.

    """
    found = _length(data, at, end)
    if found is None:
        raise WireError(_at(at, "a value is cut off"))
    size, start = found
    if start + size > end:
        raise WireError(_at(at, "a value is longer than what is around it"))
    return data[at], start, start + size


def expected(data: Data, at: int, end: int, tag: int) -> tuple[int, int]:
    """Where the content of the value at `at`, which has this tag, begins and ends."""
    found, start, stop = header(data, at, end)
    if found != tag:
        raise WireError(_at(at, f"tag 0x{found:02x} instead of 0x{tag:02x}"))
    return start, stop


class Answer:
    """The answer to one search as it comes, in pieces of any size."""

    def __init__(self, message_id: int, begun: bytes = b"", *, most_bytes: int = 1 << 30) -> None:
        """Wait for the answer to this message.

        Args:
            message_id: as sent.
            begun: what had come already when the message was sent.
            most_bytes: a longer answer is a `WireError`.

        """
        self._most_bytes = most_bytes
        self.starts: list[int] = []
        """Where in `data` each entry's `SearchResultEntry` begins, its tag included."""
        self.stops: list[int] = []
        """Where the message of each ends."""
        self.references: list[str] = []
        """Addresses of parts of the answer that are kept elsewhere."""
        self._result: Result | None = None
        self._data = bytearray(begun)
        self._at = 0
        self._id = number(message_id)
        self._entry = self._id + bytes((SEARCH_ENTRY,))

    def __len__(self) -> int:
        """How many entries have come."""
        return len(self.starts)

    @property
    def result(self) -> Result:
        """The end, which has to have come: nothing is complete without it."""
        if self._result is None:
            message = "the answer has not ended"
            raise RuntimeError(message)
        return self._result

    @property
    def data(self) -> Data:
        """What `starts` and `stops` count in, not copied: a group can be large."""
        return self._data

    @property
    def left_over(self) -> bytes:
        """What came behind the end."""
        return bytes(memoryview(self._data)[self._at :])

    def add(self, chunk: bytes = b"") -> bool:
        """Take what has come; whether the answer has ended.

        Raises:
            WireError: it is no answer to this message.
            DisconnectedError: the server says that it ends the connection.

        """
        self._data += chunk
        data, have = self._data, len(self._data)
        while self._result is None:
            found = _message(data, self._at, have, self._most_bytes)
            if found is None:
                return False
            start, stop = found
            self._at = stop
            if data.startswith(self._entry, start):
                self.starts.append(start + len(self._id))
                self.stops.append(stop)
            else:
                self._take_other(start, stop)
        return True

    def _take_other(self, start: int, stop: int) -> None:
        data = self._data
        id_start, id_stop = expected(data, start, stop, INTEGER)
        tag, content, content_stop = header(data, id_stop, stop)
        if not any(data[id_start:id_stop]):
            raise _disconnection(data, tag, content, content_stop)
        if data[start:id_stop] != self._id:
            raise WireError(_at(start, "an answer to something that wasn't asked"))
        if tag == SEARCH_DONE:
            self._result = _result(data, tag, content, content_stop, stop)
        elif tag == SEARCH_REFERENCE:
            self.references.extend(_texts(data, content, content_stop))
        else:
            raise WireError(_at(id_stop, f"tag 0x{tag:02x} in the answer to a search"))


class DisconnectedError(Exception):
    """The server said that it ends the connection (RFC 4511, 4.4.1); the message says why."""


def single_answer(data: Data, message_id: int, tag: int, most_bytes: int) -> Result | None:
    """The answer to a login or StartTLS, which is one message; `None` while not all has come.

    Raises:
        WireError: it is something else, or there is something behind it.
        DisconnectedError: the server says that it ends the connection.

    """
    found = _message(data, 0, len(data), most_bytes)
    if found is None:
        return None
    start, stop = found
    id_start, id_stop = expected(data, start, stop, INTEGER)
    got, content, content_stop = header(data, id_stop, stop)
    if not any(data[id_start:id_stop]):
        raise _disconnection(data, got, content, content_stop)
    if data[start:id_stop] != number(message_id):
        raise WireError(_at(start, "an answer to something that wasn't asked"))
    if got != tag:
        raise WireError(_at(id_stop, f"tag 0x{got:02x} instead of 0x{tag:02x}"))
    if stop != len(data):
        raise WireError(_at(stop, "something behind the end of the answer"))
    return _result(data, tag, content, content_stop, stop)


def _message(data: Data, at: int, have: int, most_bytes: int) -> tuple[int, int] | None:
    """Where the message at `at` begins and ends; `None` while not all of it has come."""
    if at < have and data[at] != SEQUENCE:
        raise WireError(_at(at, f"tag 0x{data[at]:02x} where a message begins"))
    found = _length(data, at, have)
    if found is None:
        return None
    size, start = found
    if start + size > most_bytes:
        message = f"it has more than {most_bytes} bytes"
        raise WireError(message)
    return (start, start + size) if start + size <= have else None


def _length(data: Data, at: int, end: int) -> tuple[int, int] | None:
    """How long the content of the value at `at` is, where it begins; `None` if that is cut off."""
    if at + 2 > end:
        return None
    size, start = data[at + 1], at + 2
    if size <= _SHORT:
        return size, start
    octets = size & _SHORT
    if not 1 <= octets <= _LENGTH_OCTETS:
        raise WireError(_at(at, "a length that LDAP doesn't have"))
    start += octets
    return (int.from_bytes(data[at + 2 : start], "big"), start) if start <= end else None


def _result(data: Data, tag: int, at: int, end: int, message_end: int) -> Result:
    start, stop = expected(data, at, end, ENUMERATED)
    code = _number(data, start, stop)
    matched_start, matched_stop = expected(data, stop, end, OCTETS)
    start, stop = expected(data, matched_stop, end, OCTETS)
    behind = stop
    while behind < end:
        found, _, after = header(data, behind, end)
        if found not in _BEHIND_RESULT[tag]:
            raise WireError(_at(behind, "something behind the end of a result"))
        behind = after
    return Result(
        code=code,
        matched_dn=_text(data, matched_start, matched_stop),
        message=_text(data, start, stop),
        cookie=_cookie(data, end, message_end),
    )


def _cookie(data: Data, at: int, end: int) -> bytes | None:
    """The cookie in the paging control, if that is among a message's controls."""
    if at == end:
        return None
    start, stop = expected(data, at, end, CONTROLS)
    if stop != end:
        raise WireError(_at(stop, "something behind the end of a message"))
    found = None
    while start < stop:
        control, start = expected(data, start, stop, SEQUENCE)
        name, name_stop = expected(data, control, start, OCTETS)
        if data[name:name_stop] == PAGED_RESULTS:
            found = _paging_cookie(data, name_stop, start)
    return found


def _paging_cookie(data: Data, at: int, end: int) -> bytes:
    tag, start, stop = header(data, at, end)
    if tag == BOOLEAN:
        tag, start, stop = header(data, stop, end)
    if tag != OCTETS:
        raise WireError(_at(at, "a paging control without a value"))
    start, stop = expected(data, start, stop, SEQUENCE)
    size_stop = expected(data, start, stop, INTEGER)[1]
    start, stop = expected(data, size_stop, stop, OCTETS)
    return bytes(data[start:stop])


def _disconnection(data: Data, tag: int, at: int, end: int) -> Exception:
    if tag != EXTENDED_RESPONSE:
        return WireError(_at(at, f"tag 0x{tag:02x} in a message that nobody asked for"))
    start, stop = expected(data, at, end, ENUMERATED)
    matched = expected(data, stop, end, OCTETS)[1]
    text_start, text_stop = expected(data, matched, end, OCTETS)
    code, text = _number(data, start, stop), _text(data, text_start, text_stop)
    return DisconnectedError(f"the server ends the connection: {code} {text}".rstrip())


def _texts(data: Data, at: int, end: int) -> list[str]:
    found = []
    while at < end:
        start, at = expected(data, at, end, OCTETS)
        found.append(_text(data, start, at))
    if not found:
        raise WireError(_at(at, "a reference to nowhere"))
    return found


def _number(data: Data, start: int, stop: int) -> int:
    if not 1 <= stop - start <= _INTEGER_OCTETS:
        raise WireError(_at(start, "a number of no sensible size"))
    return int.from_bytes(data[start:stop], "big", signed=True)


def _text(data: Data, start: int, stop: int) -> str:
    return data[start:stop].decode(errors="replace")


def _at(place: int, problem: str) -> str:
    return f"{problem}, at byte {place} of the answer"
