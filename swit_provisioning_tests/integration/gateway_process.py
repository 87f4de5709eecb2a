"""`swit-provisioning serve` as a process of its own, and clients at several addresses."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import requests
from requests.adapters import HTTPAdapter

from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.cli.terminal import Terminal

KEY: Final = "key-of-the-gateway-4c1d"
_SECONDS: Final = 180


class Client(requests.Session):
    """A machine of its own: all of 127.0.0.0/8 is this one."""

    def __init__(self, url: str, address: str = "127.0.0.1", *, key: str | None = KEY) -> None:
        """Ask `url` from `address`, with that key."""
        super().__init__()
        self.trust_env = False
        self._url = url
        adapter = HTTPAdapter(pool_maxsize=16)
        adapter.init_poolmanager(1, 16, source_address=(address, 0))
        self.mount("http://", adapter)
        self.mount("https://", adapter)
        if key is not None:
            self.headers["x-secret-key"] = key

    def ask(self, path: str, method: str = "GET", **more: Any) -> requests.Response:  # noqa: ANN401 - requests' own
        """One request; nobody is sent on."""
        return self.request(
            method, f"{self._url}{path}", timeout=_SECONDS, allow_redirects=False, **more
        )


class GatewayProcess:
    """The gateway while a `with` block lasts."""

    def __init__(self, environment: dict[str, str], folder: Path, *words: str) -> None:
        """Prepare it; `environment` names key and port."""
        self.url = f"http://127.0.0.1:{environment['PORT']}"
        self.terminal = Terminal("serve", *words, environment=environment, folder=folder)

    def __enter__(self) -> Self:
        """Start it, and wait until it answers."""
        self.terminal.__enter__()
        try:
            until(self._answers, seconds=_SECONDS, what=lambda: self.terminal.errors)
        except BaseException:
            self.terminal.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.terminal.__exit__(kind, error, trace)

    def client(self, address: str = "127.0.0.1", *, key: str | None = KEY) -> Client:
        """Somebody who asks."""
        return Client(self.url, address, key=key)

    def status(self) -> dict[str, Any]:
        """What `/status` says."""
        with self.client() as client:
            answer = client.ask("/status")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = json.loads(answer.text)
        return document

    def ended(self, run_id: str) -> int:
        """Wait for the end of a run that it started; the exit code."""

        def code() -> int | None:
            last = self.status()["last_started_here"]
            assert last["run_id"] == run_id
            found: int | None = last["exit_code"]
            return found

        return until(code, seconds=_SECONDS * 2, what=lambda: self.terminal.errors)

    @property
    def resident_bytes(self) -> int:
        """How much memory it holds."""
        for line in Path(f"/proc/{self.terminal.process_id}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError

    @property
    def open_files(self) -> int:
        """How many files and connections it holds."""
        return len(list(Path(f"/proc/{self.terminal.process_id}/fd").iterdir()))

    def _answers(self) -> bool | None:
        assert not self.terminal.has_ended, self.terminal.errors
        try:
            with self.client(key=None) as client:
                return client.ask("/healthz").status_code == 200
        except requests.ConnectionError:
            return None
