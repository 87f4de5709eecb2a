"""LDAP's wire format (BER, RFC 4511) in a dozen lines, for the servers of these tests.

It shares no code with what reads those servers' answers, so that one checks the other.
"""

from collections.abc import Iterator

PAGED_RESULTS = "1.2.840.113556.1.4.319"
START_TLS = "1.3.6.1.4.1.1466.20037"
BIND, UNBIND, SEARCH, EXTENDED = 0x60, 0x42, 0x63, 0x77


def tlv(tag: int, *contents: bytes) -> bytes:
    """A tag, the length of what follows, and that."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def text(value: str | bytes, tag: int = 0x04) -> bytes:
    return tlv(tag, value.encode() if isinstance(value, str) else value)


def number(value: int, tag: int = 0x02) -> bytes:
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents of what stands side by side in `data`."""
    position = 0
    while position < len(data):
        tag, size = data[position], data[position + 1]
        position += 2
        if size > 0x7F:
            more = size & 0x7F
            size = int.from_bytes(data[position : position + more], "big")
            position += more
        yield tag, data[position : position + size]
        position += size
