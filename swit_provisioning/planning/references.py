"""References: the directory keys that Swit teams carry.

Planning knows no syntax of references. The directory's scope says which texts are one reference,
and which references belong to the directory.
"""

import re
from typing import Protocol


class DirectoryScope(Protocol):
    """Knows the references of one directory. Every source provides one."""

    def key(self, reference: str | None) -> str:
        """Form of a reference in which equal references are equal texts; `""` for none."""
        ...

    def owns(self, reference: str | None) -> bool:
        """True if a reference that no group has belongs to this directory."""
        ...


_SPACES = re.compile(r"\s*,\s*")


def reference_key(text: str | None) -> str:
    """Form of a reference without its directory: no case, no braces of a GUID, `""` for none.

    Spaces around commas do not count.
    """
    return "" if text is None else _SPACES.sub(",", text.strip().strip("{}")).casefold()
