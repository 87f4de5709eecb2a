"""Encode LDAP requests, and decode answers while they arrive.

`connection` has the socket. Answers use the subset of BER (X.690) that LDAP allows (RFC 4511, 5.1):
definite lengths of at most four octets. Anything else is a `WireError`. These functions raise no
other error, whatever the bytes are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO

from swit_provisioning.sources.entries import Entry

PAGED_RESULTS = b"1.2.840.113556.1.4.319"

SEQUENCE, SET, OCTETS, INTEGER, ENUMERATED, BOOLEAN = 0x30, 0x31, 0x04, 0x02, 0x0A, 0x01
SEARCH_ENTRY, SEARCH_DONE, SEARCH_REFERENCE, EXTENDED_RESPONSE = 0x64, 0x65, 0x73, 0x78
BIND_RESPONSE = 0x61
CONTROLS, REFERRAL = 0xA0, 0xA3

UNBIND = b"\x42\x00"
START_TLS = b"\x77\x18\x80\x161.3.6.1.4.1.1466.20037"

_SHORT = 0x7F
_LENGTH_OCTETS = 4
# Optional elements after the text of a result (RFC 4511, 4.2.2, 4.5.2 and 4.12).
_AFTER_RESULT = {
    SEARCH_DONE: {REFERRAL},
    BIND_RESPONSE: {REFERRAL, 0x87},
    EXTENDED_RESPONSE: {REFERRAL, 0x8A, 0x8B},
}
_INTEGER_OCTETS = 8
_VALUE_SIZES = {bytes((OCTETS, size)): size for size in range(_SHORT + 1)}
"""Size of a value by the two octets before it, for all but long values."""

Data = bytes | bytearray


class WireError(ValueError):
    """The bytes are not LDAP. The message contains the problem and its position."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Result of an operation: `LDAPResult`, and the cookie of the paging control."""

    code: int
    matched_dn: str
    message: str
    cookie: bytes | None
    """Position of the next page. Empty after the last page, `None` without the control."""


def element(tag: int, *contents: bytes) -> bytes:
    """Encode one value: its tag, its length and its content."""
    content = b"".join(contents)
    size = len(content)
    if size <= _SHORT:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, ~_SHORT & 0xFF | len(length))) + length + content


def number(value: int) -> bytes:
    """Encode an integer that is not negative."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def request(message_id: int, operation: bytes, *controls: bytes) -> bytes:
    """Encode a message to the server."""
    encoded = (element(CONTROLS, *controls),) if controls else ()
    return element(SEQUENCE, number(message_id), operation, *encoded)


def bind(user: str, password: str) -> bytes:
    """Encode a simple bind. User and password are sent unchanged."""
    name, secret = element(OCTETS, user.encode()), element(0x80, password.encode())
    return element(0x60, number(3), name, secret)


def search_request(base: str, scope: int, filter_: bytes, names: Sequence[str]) -> bytes:
    """Encode a search without limits, which does not follow aliases.

    Args:
        base: DN where the search begins.
        scope: 0 for the entry itself, 2 for the entry and everything below it.
        filter_: encoded filter.
        names: attributes to return.

    """
    return element(
        0x63,
        element(OCTETS, base.encode()),
        element(ENUMERATED, bytes((scope,))),
        element(ENUMERATED, b"\0"),
        number(0) * 2,
        element(BOOLEAN, b"\0"),
        filter_,
        element(SEQUENCE, *(element(OCTETS, name.encode()) for name in names)),
    )


def paging(size: int, cookie: bytes) -> bytes:
    """Encode the critical control that requests a page of this size (RFC 2696)."""
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
        raise WireError(_at(at, "a value is longer than the value that contains it"))
    return data[at], start, start + size


def expected(data: Data, at: int, end: int, tag: int) -> tuple[int, int]:
    """Start and end of the content of the value at `at`, which must have this tag."""
    found, start, stop = header(data, at, end)
    if found != tag:
        raise WireError(_at(at, f"tag 0x{found:02x} instead of 0x{tag:02x}"))
    return start, stop


class Names(dict[bytes, str]):
    """Attribute descriptions in an answer, and the same as text in lower case."""

    has_options = False
    """True if one of them has options, such as `member;range=0-1499`."""

    def __missing__(self, raw: bytes) -> str:
        """Decode a description that is new."""
        name = self[raw] = raw.decode(errors="replace").lower()
        self.has_options |= ";" in name
        return name


class Answer:
    """Answer to one search, or to several. Its entries are decoded while the bytes arrive."""

    def __init__(
        self,
        message_id: int,
        begun: bytes = b"",
        *,
        requests: int = 1,
        most_bytes: int = 1 << 30,
    ) -> None:
        """Prepare for the answer to requests that are numbered consecutively.

        Args:
            message_id: number of the first request.
            begun: bytes that arrived before the requests were sent.
            requests: how many there are.
            most_bytes: size of the longest answer that is accepted.

        """
        self.entries: list[Entry] = []
        """Decoded entries, in the order of the server."""
        self.references: list[str] = []
        """Continuation references: URLs of parts of the answer on other servers."""
        self.names = Names()
        self._most_bytes = most_bytes
        self._result: Result | None = None
        self._received = BytesIO()
        """Bytes that are not decoded yet."""
        self._received.write(begun)
        self._needed = 0
        """How many bytes must be received until the next message is complete, as far as known."""
        self._decoded_bytes = 0
        self._open = {number(id_) for id_ in range(message_id, message_id + requests)}
        """Numbers of the requests whose final result has not arrived."""
        self._id = number(message_id)
        self._entry = self._id + bytes((SEARCH_ENTRY,))

    @property
    def result(self) -> Result:
        """Final result of the last search that ended. Raises `RuntimeError` before that."""
        if self._open or self._result is None:
            message = "the answer has not ended"
            raise RuntimeError(message)
        return self._result

    @property
    def left_over(self) -> bytes:
        """Bytes after the final result. They belong to the next answer."""
        return self._received.getvalue()

    def add(self, chunk: bytes = b"") -> bool:
        """Decode the next bytes. Returns True when all final results have arrived.

        Raises:
            WireError: the bytes are not an answer to this request.
            DisconnectedError: the server announced that it closes the connection.

        """
        self._received.write(chunk)
        if not self._open or self._received.tell() < self._needed:
            return not self._open
        data = self._received.getvalue()
        at = self._needed = 0
        try:
            while self._open:
                found = _message(data, at, self._most_bytes, self._decoded_bytes)
                if found is None:
                    break
                start, stop = found
                if stop > len(data):
                    self._needed = stop - at
                    break
                at = stop
                if data.startswith(self._entry, start):
                    start += len(self._id)
                    self.entries.append(_decode_entry(data, start, stop, self.names))
                else:
                    self._take_other(data, start, stop)
        finally:
            # Also after an error: nothing is decoded twice.
            self._decoded_bytes += at
            self._received = BytesIO()
            self._received.write(data[at:])
        return not self._open

    def _take_other(self, data: bytes, start: int, end: int) -> None:
        id_start, id_stop = expected(data, start, end, INTEGER)
        tag, content, content_stop = header(data, id_stop, end)
        if not any(data[id_start:id_stop]):
            raise _disconnection(data, tag, content, content_stop)
        if data[start:id_stop] not in self._open:
            raise WireError(_at(start, "an answer to another request"))
        if tag == SEARCH_ENTRY:
            self.entries.append(_decode_entry(data, id_stop, end, self.names))
        elif tag == SEARCH_DONE:
            self._result = _result(data, tag, content, content_stop, end)
            self._open.remove(data[start:id_stop])
        elif tag == SEARCH_REFERENCE:
            urls = _octet_strings(data, content, content_stop)
            if not urls:
                raise WireError(_at(content, "a reference without a URL"))
            self.references.extend(url.decode(errors="replace") for url in urls)
        else:
            raise WireError(_at(id_stop, f"tag 0x{tag:02x} in the answer to a search"))


def _decode_entry(  # noqa: C901, PLR0912, PLR0915 - most of a read is spent here: calls cost more
    data: bytes, at: int, end: int, names: "Names"
) -> Entry:
    """Decode a `SearchResultEntry` (RFC 4511, 4.5.2), after which only controls may follow.

    Each value must end where the next one begins, and the last one where the enclosing value ends.
    That also detects lengths that are too large, so they are not checked one by one.

    Args:
        data: bytes that hold the message.
        at: position of the entry.
        end: end of the message.
        names: attribute descriptions of the answer.

    """
    try:
        size = data[at + 1]
        at += 2
        if size > _SHORT:
            size, at = _long_length(data, at)
        stop = at + size
        if stop != end and expected(data, stop, end, CONTROLS)[1] != end:
            raise WireError(_at(stop, "something after the end of a message"))
        dn_tag, size = data[at], data[at + 1]
        at += 2
        if size > _SHORT:
            size, at = _long_length(data, at)
        dn = data[at : at + size]
        at += size
        list_tag, size = data[at], data[at + 1]
        at += 2
        if size > _SHORT:
            size, at = _long_length(data, at)
        if dn_tag != OCTETS or list_tag != SEQUENCE or at + size != stop:
            raise WireError(_at(at, "an entry is not a DN and attributes"))
        attributes: dict[str, Sequence[bytes]] = {}
        while at < stop:
            pair_tag, size = data[at], data[at + 1]
            at += 2
            if size > _SHORT:
                size, at = _long_length(data, at)
            pair_stop = at + size
            name_tag, size = data[at], data[at + 1]
            at += 2
            if size > _SHORT:
                size, at = _long_length(data, at)
            raw_name = data[at : at + size]
            at += size
            set_tag, size = data[at], data[at + 1]
            at += 2
            if size > _SHORT:
                size, at = _long_length(data, at)
            if pair_tag != SEQUENCE or name_tag != OCTETS or set_tag != SET:
                raise WireError(_at(at, "an attribute is not a name and values"))
            if at + size != pair_stop:
                raise WireError(_at(at, "the values of an attribute end at the wrong place"))
            size = pair_stop - at - 2
            if 0 <= size <= _SHORT and data[at + 1] == size and data[at] == OCTETS:
                values = [data[at + 2 : pair_stop]]  # most attributes have one short value
            else:
                values = _octet_strings(data, at, pair_stop)
            at = pair_stop
            name = names[raw_name]
            before = attributes.get(name)
            attributes[name] = values if before is None else [*before, *values]
        if at != stop:
            raise WireError(_at(at, "an attribute is longer than the entry"))
    except IndexError:
        raise WireError(_at(at, "a value is cut off")) from None
    return Entry(dn.decode(errors="surrogateescape"), attributes, "", names.has_options)


def _octet_strings(data: bytes, at: int, end: int) -> list[bytes]:
    """Decode the octet strings from `at` to `end`, such as the values of an attribute."""
    # A group can have a million members. Reading a stream takes half the time of slicing.
    stream = BytesIO(data[at:end])
    found: list[bytes] = []
    read, add = stream.read, found.append
    size: int | None = 0
    for head in iter(partial(read, 2), b""):
        size = _VALUE_SIZES.get(head)
        if size is None:
            start, stop = expected(data, at + stream.tell() - len(head), end, OCTETS)
            stream.seek(start - at)
            size = stop - start
        add(read(size))
    if found and len(found[-1]) != size:
        raise WireError(_at(end, "a value is longer than the value that contains it"))
    return found


class DisconnectedError(Exception):
    """The server announced that it closes the connection (RFC 4511, 4.4.1)."""


def single_answer(data: Data, message_id: int, tag: int, most_bytes: int) -> Result | None:
    """Decode the answer to a bind or StartTLS, which is one message; `None` if it is not complete.

    Raises:
        WireError: it is another message, or more bytes follow.
        DisconnectedError: the server announced that it closes the connection.

    """
    found = _message(data, 0, most_bytes)
    if found is None or found[1] > len(data):
        return None
    start, stop = found
    id_start, id_stop = expected(data, start, stop, INTEGER)
    got, content, content_stop = header(data, id_stop, stop)
    if not any(data[id_start:id_stop]):
        raise _disconnection(data, got, content, content_stop)
    if data[start:id_stop] != number(message_id):
        raise WireError(_at(start, "an answer to another request"))
    if got != tag:
        raise WireError(_at(id_stop, f"tag 0x{got:02x} instead of 0x{tag:02x}"))
    if stop != len(data):
        raise WireError(_at(stop, "something after the end of the answer"))
    return _result(data, tag, content, content_stop, stop)


def _message(data: Data, at: int, most_bytes: int, before: int = 0) -> tuple[int, int] | None:
    """Start and end of the message at `at`, or `None` if its header is not complete.

    The end can be after the end of `data`. `before` bytes of the answer were decoded earlier.
    """
    have = len(data)
    if at < have and data[at] != SEQUENCE:
        raise WireError(_at(at, f"tag 0x{data[at]:02x} where a message begins"))
    found = _length(data, at, have)
    if found is None:
        return None
    size, start = found
    if before + start + size > most_bytes:
        message = f"it has more than {most_bytes} bytes"
        raise WireError(message)
    return start, start + size


def _long_length(data: bytes, at: int) -> tuple[int, int]:
    """Decode a length of several octets, the first of which is before `at`, and its end."""
    octets = data[at - 1] & _SHORT
    if not 1 <= octets <= _LENGTH_OCTETS:
        raise WireError(_at(at, "a length that LDAP does not allow"))
    if at + octets > len(data):
        raise WireError(_at(at, "a value is cut off"))
    return int.from_bytes(data[at : at + octets], "big"), at + octets


def _length(data: Data, at: int, end: int) -> tuple[int, int] | None:
    """Length and start of the content of the value at `at`; `None` if the header is cut off."""
    if at + 2 > end:
        return None
    size, start = data[at + 1], at + 2
    if size <= _SHORT:
        return size, start
    octets = size & _SHORT
    if not 1 <= octets <= _LENGTH_OCTETS:
        raise WireError(_at(at, "a length that LDAP does not allow"))
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
        if found not in _AFTER_RESULT[tag]:
            raise WireError(_at(behind, "something after the end of a result"))
        behind = after
    return Result(
        code=code,
        matched_dn=_text(data, matched_start, matched_stop),
        message=_text(data, start, stop),
        cookie=_cookie(data, end, message_end),
    )


def _cookie(data: Data, at: int, end: int) -> bytes | None:
    """Cookie of the paging control, if a message has that control."""
    if at == end:
        return None
    start, stop = expected(data, at, end, CONTROLS)
    if stop != end:
        raise WireError(_at(stop, "something after the end of a message"))
    found = None
    while start < stop:
        control, start = expected(data, start, stop, SEQUENCE)
        name, name_stop = expected(data, control, start, OCTETS)
        if data[name:name_stop] == PAGED_RESULTS:
            tag, value, value_stop = header(data, name_stop, start)
            if tag == BOOLEAN:  # whether the control is critical
                tag, value, value_stop = header(data, value_stop, start)
            if tag != OCTETS:
                raise WireError(_at(value, "a paging control without a value"))
            page, page_stop = expected(data, value, value_stop, SEQUENCE)
            size_stop = expected(data, page, page_stop, INTEGER)[1]
            cookie, cookie_stop = expected(data, size_stop, page_stop, OCTETS)
            found = bytes(data[cookie:cookie_stop])
    return found


def _disconnection(data: Data, tag: int, at: int, end: int) -> Exception:
    if tag != EXTENDED_RESPONSE:
        return WireError(_at(at, f"tag 0x{tag:02x} in a message that was not requested"))
    start, stop = expected(data, at, end, ENUMERATED)
    matched = expected(data, stop, end, OCTETS)[1]
    text_start, text_stop = expected(data, matched, end, OCTETS)
    code, text = _number(data, start, stop), _text(data, text_start, text_stop)
    return DisconnectedError(f"the server ends the connection: {code} {text}".rstrip())


def _number(data: Data, start: int, stop: int) -> int:
    if not 1 <= stop - start <= _INTEGER_OCTETS:
        raise WireError(_at(start, "a number with too few or too many bytes"))
    return int.from_bytes(data[start:stop], "big", signed=True)


def _text(data: Data, start: int, stop: int) -> str:
    return data[start:stop].decode(errors="replace")


def _at(place: int, problem: str) -> str:
    return f"{problem}, at byte {place}"
