"""How a command ends: the exit codes that scripts rely on."""

from typing import Final

EXIT_CODES: Final = {
    "success": 0,
    "applied": 0,
    "nothing to do": 0,
    "failed": 1,
    "unknown plan": 2,
    "blocked": 3,
    "partly applied": 4,
    "stale": 5,
    "busy": 6,
}
"""0 done · 1 failed · 2 wrong use or settings · 3 a guard · 4 some rejected · 5 stale · 6 busy."""
