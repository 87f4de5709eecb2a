"""A file for this account alone, written whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path`: who reads it meanwhile sees the old file or the new one.

    Raises:
        OSError: it can't be written; what was there is left as it was.

    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        # A terminal, a pipe: nothing that could be replaced. A folder raises.
        target.write_text(text, encoding="utf-8")
        return
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
