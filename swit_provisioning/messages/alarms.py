"""What is wrong beside runs: told once when it begins, and once when it is over."""

from datetime import UTC, datetime
from typing import Final

from swit_provisioning.messages.delivery import channels, tell
from swit_provisioning.report.posts import Message, Severity
from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store

NIGHT_MISSED: Final = "night missed"
NO_SUCCESS: Final = "no success"
LOGIN: Final = "login"
OWNER: Final = "owner of the login"
"""What a message that is about no run is about: its `event`."""


def begin(store: Store, settings: Settings, name: str, about: str, *lines: str) -> None:
    """It is wrong: tell it, unless it stands already and is about the same."""
    standing = store.alarms.standing(name)
    # Once there is somebody to tell, it is told.
    if channels(settings) and (standing is None or standing.about != about):
        # Told first: who dies in between tells it again under the same subject, so not twice.
        tell(store, settings, _subject(name, about), notice(settings, name, "error", *lines))
        store.alarms.begin(name, about)


def end(store: Store, settings: Settings, name: str, *lines: str) -> None:
    """It is over: tell it, if it was wrong."""
    standing = store.alarms.standing(name)
    if standing is not None:
        subject = f"{_subject(name, standing.about)}, over"
        tell(store, settings, subject, notice(settings, name, "info", *lines))
        store.alarms.end(name)


def notice(settings: Settings, name: str, severity: Severity, *lines: str) -> Message:
    """A message that is about no run."""
    mode = "" if settings.mode == "live" else f"{settings.mode} · "
    first, *more = lines
    return Message(
        event=name,
        severity=severity,
        lines=(f"{mode}Swit provisioning: {first}", *more),
        facts={"mode": settings.mode, "organization": settings.expected_organization},
    )


def _subject(name: str, about: str) -> str:
    """The same may begin again another day."""
    return f"{name}, {about}, {datetime.now(UTC):%Y-%m-%d}"
