"""Finds a person in any text, and puts codes in their place. Pure: texts in, texts out."""

import hmac
import html
import json
import re
from collections.abc import Iterable
from typing import Any, Final

from markupsafe import escape

from swit_provisioning.report.redaction import code_of
from swit_provisioning.state.erasure import Trace

PREFIX: Final = "forgotten-"
_DIGITS: Final = 12
# A name within a longer one, an address within a longer one, are others'.
_BEFORE: Final = r"(?<![\w.+@-])"
_AFTER: Final = r"(?![\w@-]|[.+]\w)"
_AROUND: Final = re.compile(r"\s*([,=+;])\s*")
_JSON_BEGINS: Final = ("{", "[")


def code_for(person: Trace, secret: str) -> str:
    """The code of a person: by the first address, else by the first id. One-way by the secret."""
    ways = (person.addresses, person.swit_ids, person.entry_ids, person.dns, person.words)
    name = next(min(map(_same, names)) for names in ways if names)
    digest = hmac.new(secret.encode(), name.encode(), "sha256").hexdigest()
    return PREFIX + digest[:_DIGITS]


class Replacing:
    """One person's texts and codes; what others are called, too, only where the person is meant."""

    def __init__(self, person: Trace, code: str, *, shared: frozenset[str] = frozenset()) -> None:
        """`shared` are those of the person's words that are also another's."""
        self._codes = _codes(person, code)
        words = {_same(word): code for word in person.words}
        also = {_same(word) for word in shared}
        own = {word: code for word in words if word not in also}
        self._own = {**own, **self._codes}
        self._all = {**words, **self._codes}
        self._finds_own = _pattern(self._own)
        self._finds_all = _pattern(self._all)
        self.pattern = unbounded(self._all)
        """What finds every text that may name the person, and some that don't: quick."""

    def mentions(self, text: str) -> bool:
        """Whether the person is meant somewhere in a text, also one of escaped JSON or HTML."""
        return any(self._finds_own.search(way) for way in (text, _unescaped(text)))

    def record(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """A record (JSON values, JSON texts within them too) with codes for the person.

        In one that names the person beyond doubt, words that are another's too are replaced.
        """
        everything = json.dumps(value, ensure_ascii=False, default=str)
        if not self.pattern.search(everything):
            return value
        about = _pattern(self._codes).search(_unescaped(everything)) is not None
        return self._walk(value, about=about)

    def page(self, text: str) -> str:
        """A page of HTML with codes for the person; shared words stay."""
        escaped = {_same(way): code for name, code in self._own.items() for way in _in_html(name)}
        found = _pattern({**escaped, **self._own})
        return found.sub(lambda match: {**self._own, **escaped}[_same(match[0])], text)

    def _walk(self, value: Any, *, about: bool) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, str):
            return self._text(value, about=about)
        if isinstance(value, list | tuple):
            return [self._walk(item, about=about) for item in value]
        if isinstance(value, dict):
            return {
                self._text(name, about=about): self._walk(item, about=about)
                for name, item in value.items()
            }
        return value

    def _text(self, text: str, *, about: bool) -> str:
        if text.startswith(_JSON_BEGINS):
            try:
                inner = json.loads(text)
            except ValueError:
                pass
            else:
                after = self._walk(inner, about=about)
                return text if after == inner else json.dumps(after, ensure_ascii=False)
        found, codes = (self._finds_all, self._all) if about else (self._finds_own, self._own)
        return found.sub(lambda match: codes[_same(match[0])], text)


def unbounded(names: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the names, as they are and as JSON or HTML would write them, within others too.

    Its words are those that Arrow's engine knows as well.
    """
    ways = {way for name in names for way in (name, json.dumps(name)[1:-1], *_in_html(name))}
    return re.compile("|".join(_alternatives(ways)) or r"[^\s\S]", re.IGNORECASE)


def _pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the names, the longest first, where it is not part of another."""
    either = "|".join(_alternatives(names)) or r"[^\s\S]"
    return re.compile(f"{_BEFORE}(?:{either}){_AFTER}", re.IGNORECASE)


def _alternatives(names: Iterable[str]) -> list[str]:
    return [_loose(name) for name in sorted(names, key=len, reverse=True) if name]


def _loose(name: str) -> str:
    """A DN is the same with spaces around its separators."""
    return r"\s*".join(re.escape(part) for part in _AROUND.split(name) if part)


def _same(text: str) -> str:
    """What two spellings of one name have in common."""
    return _AROUND.sub(r"\1", text.strip()).lower()


def _codes(person: Trace, code: str) -> dict[str, str]:
    """What stands for the person alone -> a code; of several ids each has a number of its own.

    Rows that have such an id as their key must not become one.
    """
    found: dict[str, str] = {}
    for names in (person.addresses, person.swit_ids, person.dns, person.entry_ids):
        for number, name in enumerate(sorted(set(map(_same, names))), start=1):
            found[name] = code if number == 1 else f"{code}.{number}"
    hidden = {code_of(name): code for name in person.addresses | person.dns}
    return {**hidden, **found}


def _in_html(name: str) -> tuple[str, str]:
    """As Python's own library writes it, and as templates do: `'` is `&#x27;` or `&#39;`."""
    return html.escape(name), str(escape(name))


def _unescaped(text: str) -> str:
    """Roughly: what JSON and HTML write otherwise, so that bounds are seen as they are."""
    plain = text.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
    return html.unescape(plain)
