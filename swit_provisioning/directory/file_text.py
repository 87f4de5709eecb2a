"""A directory file's bytes as text, whichever program wrote them."""

import codecs
from pathlib import Path

from swit_provisioning.directory.errors import DirectoryConfigError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_file(path: Path) -> str:
    """Read a file as UTF-8, or as UTF-16 where its first bytes say so (`ldifde -u` on Windows).

    Raises:
        DirectoryConfigError: there is no such file, it may not be read, or it is no text.

    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}; IDP_FILE names the directory's file"
        raise DirectoryConfigError(message) from error
    encoding = "utf-16" if raw.startswith(_UTF16) else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text (byte {error.start + 1}); save or export it as UTF-8"
        raise DirectoryConfigError(message) from error
