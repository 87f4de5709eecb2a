"""Fakes for tokens, pace, token store and sleep, and a client that uses them."""

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from swit_provisioning.swit.auth import TokenPair
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitUnauthorizedError

BASE = "https://openapi.swit.example"
SCIM = "https://saml.swit.example/scim/v2"
API = f"{BASE}/v1/api"
TOKEN_URL = f"{BASE}/oauth/token"


@dataclass
class FakeTokens:
    """Returns its tokens one after the other and records refused ones."""

    tokens: list[str] = field(default_factory=lambda: ["first-token", "second-token"])
    refused: list[str] = field(default_factory=list)

    def access_token(self) -> str:
        return self.tokens[0]

    def refreshed(self, refused: str) -> str:
        self.refused.append(refused)
        if len(self.tokens) == 1:
            raise SwitUnauthorizedError(call="oauth/token", message="refresh token expired")
        self.tokens.pop(0)
        return self.tokens[0]


@dataclass
class FakePace:
    """Never waits; records what is reported."""

    waits: int = 0
    throttles: list[float | None] = field(default_factory=list)
    successes: int = 0

    def wait(self) -> float:
        self.waits += 1
        return float(self.waits)

    def throttled(self, turn: float, retry_after: float | None) -> None:
        assert 1 <= turn <= self.waits
        self.throttles.append(retry_after)

    def succeeded(self, turn: float) -> None:
        assert 1 <= turn <= self.waits
        self.successes += 1


@dataclass
class FakeStore:
    """A token store in memory that checks that writers hold the lock."""

    pair: TokenPair | None = None
    saved: list[TokenPair] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> TokenPair | None:
        return self.pair

    def save(self, pair: TokenPair) -> None:
        assert self.lock.locked()
        self.pair = pair
        self.saved.append(pair)

    def exclusive(self) -> AbstractContextManager[bool]:
        return self.lock


@dataclass
class Rig:
    """Creates a client with fakes that a test can inspect."""

    tokens: FakeTokens = field(default_factory=FakeTokens)
    pace: FakePace = field(default_factory=FakePace)
    naps: list[float] = field(default_factory=list)

    def client(self, **changes: Any) -> SwitClient:  # noqa: ANN401 - SwitClient's arguments
        arguments: dict[str, Any] = {
            "base_url": BASE,
            "scim_base_url": SCIM,
            "tokens": self.tokens,
            "pace": self.pace,
            "sleep": self.naps.append,
        }
        return SwitClient(**(arguments | changes))
