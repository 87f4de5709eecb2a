"""Calls the sandbox over plain HTTP, without the client."""

from typing import Self

import requests

from swit_provisioning.sandbox.server import SandboxServer

TIMEOUT_SECONDS = 60
USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"


class Caller:
    """One session with one token."""

    def __init__(self, server: SandboxServer, scope: str | None = None) -> None:
        issued = server.issue_tokens(scope) if scope else server.issue_tokens()
        self._server = server
        self.timeout_seconds: float = TIMEOUT_SECONDS
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {issued['access_token']}"

    def __enter__(self) -> Self:
        """Keep the connection during the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.session.close()

    def get(self, call: str, **query: object) -> requests.Response:
        url = f"{self._server.url}/v1/api/{call}"
        sent = {name: str(value) for name, value in query.items()}
        return self.session.get(url, params=sent, timeout=self.timeout_seconds)

    def post(self, call: str, **body: object) -> requests.Response:
        url = f"{self._server.url}/v1/api/{call}"
        return self.session.post(url, json=body, timeout=self.timeout_seconds)

    def patch(self, user_id: str, *operations: dict[str, object]) -> requests.Response:
        return self.session.patch(
            f"{self._server.scim_url}/Users/{user_id}",
            json={"schemas": [USER_SCHEMA], "Operations": list(operations)},
            timeout=self.timeout_seconds,
        )

    def find(self, scim_filter: str) -> requests.Response:
        return self.session.get(
            f"{self._server.scim_url}/Users",
            params={"filter": scim_filter},
            timeout=self.timeout_seconds,
        )


def replace(path: str, value: object) -> dict[str, object]:
    """A SCIM operation in the form that Swit accepts."""
    return {"op": "Replace", "path": path, "value": value}


def message(response: requests.Response) -> str:
    """The message of an error, whose `code` must be its status."""
    body = response.json()
    assert body["code"] == response.status_code
    return str(body["message"])
