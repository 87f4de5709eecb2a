"""Types of the settings' values: how a text of the environment is parsed and checked.

Each error says what is wrong with the value and gives an example. It never repeats a secret.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from swit_provisioning.planning.actions import actions_named
from swit_provisioning.planning.policy import Limit
from swit_provisioning.sources.filters import parse_filter
from swit_provisioning.state.token_store import Cipher
from swit_provisioning.swit.rate_limit import parse_pace


def _blank_is_unset(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _names(value: object) -> object:
    """`a,b` as a tuple; separated by `;` if there is one."""
    if not isinstance(value, str):
        return value
    separator = ";" if ";" in value else ","
    return tuple(name.strip() for name in value.split(separator) if name.strip())


def _checked_by(check: Callable[[Any], object]) -> AfterValidator:
    """A validator that keeps a value for which `check` raises no `ValueError`, and `None`."""

    def keep(value: object) -> object:
        if value is not None:
            check(value)
        return value

    return AfterValidator(keep)


def _matching(pattern: str, problem: str) -> AfterValidator:
    """A validator that keeps a text that matches `pattern`, and `None`."""

    def check(value: str) -> None:
        if not re.fullmatch(pattern, value):
            message = f"{value!r} {problem}"
            raise ValueError(message)

    return _checked_by(check)


def _check_timezone(value: str) -> None:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        message = f"{value!r} is not a time zone; for example Asia/Seoul or UTC"
        raise ValueError(message) from error


def _is_address(value: str) -> bool:
    parts = urlsplit(value)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and " " not in parts.netloc


def _address(value: str) -> str:
    if not _is_address(value):
        message = f"{value!r} is not an address; for example https://openapi.swit.io"
        raise ValueError(message)
    return value.rstrip("/")


def _check_webhook(value: SecretStr) -> None:
    if not _is_address(value.get_secret_value()):
        # The address is a secret, so the message does not repeat it.
        message = "it is not an address; for example https://hook.swit.io/chat/CHANNEL/WEBHOOK"
        raise ValueError(message)


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
LimitSetting = Annotated[
    Limit,
    NoDecode,
    BeforeValidator(lambda value: Limit.parse(value) if isinstance(value, str) else value),
]
Text = Annotated[str | None, BeforeValidator(_blank_is_unset)]
RedirectUrl = Annotated[str, AfterValidator(_address)]
Address = Annotated[RedirectUrl | None, BeforeValidator(_blank_is_unset)]
Secret = Annotated[SecretStr | None, BeforeValidator(_blank_is_unset)]
Webhook = Annotated[Secret, _checked_by(_check_webhook)]
TimeZone = Annotated[str, _checked_by(_check_timezone)]
OptionalTimeZone = Annotated[TimeZone | None, BeforeValidator(_blank_is_unset)]
Filter = Annotated[Text, AfterValidator(lambda value: value and parse_filter(value))]
Clock = Annotated[
    Text,
    _matching(r"([01]\d|2[0-3]):([0-5]\d)", "is not a time of day; write HH:MM, for example 02:30"),
]
HeaderName = Annotated[
    Text, _matching(r"[A-Za-z0-9-]+", "is not the name of an HTTP header; for example X-Approver")
]
Actions = Annotated[Names, _checked_by(actions_named)]
Pace = Annotated[str, _checked_by(parse_pace)]
EncryptionKey = Annotated[Secret, _checked_by(lambda key: Cipher(key.get_secret_value()))]
