"""Connections to the directory and to Swit, as the settings name them. No Dagster."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import parse_qs, urlsplit

import requests

from swit_provisioning.sandbox import SANDBOX_PORT, sample_directory_path
from swit_provisioning.sandbox.oauth import (
    DEFAULT_SCOPE,
    SANDBOX_CLIENT_ID,
    SANDBOX_CLIENT_SECRET,
    SANDBOX_REDIRECT_URLS,
)
from swit_provisioning.settings import Settings
from swit_provisioning.sources.base import Directory
from swit_provisioning.sources.json_file import JsonDirectory
from swit_provisioning.sources.registry import open_source
from swit_provisioning.sources.verification import VerifiedDirectory
from swit_provisioning.state.store import Store
from swit_provisioning.state.token_store import TokenRow
from swit_provisioning.swit.auth import (
    OAuthClient,
    StoredTokens,
    TokenPair,
    TokenSource,
)
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.rate_limit import parse_pace


def open_directory(settings: Settings, store: Store) -> Directory:
    """The directory that the settings name: a file, the bundled sample, or an LDAP server.

    Its read looks up each person and group that `store` has matched before.
    """
    if settings.idp_file is None and settings.is_running_locally:
        # The OUs and filters in the settings belong to another directory.
        source: Directory = JsonDirectory(sample_directory_path(), settings.attribute_mapping())
    else:
        source = open_source(settings)
    return VerifiedDirectory(source, store.identities.expected)


@contextmanager
def swit_connection(settings: Settings, store: Store) -> Iterator[SwitClient]:
    """A client for the organisation that the settings name, closed at the end."""
    if settings.is_on_bundled_sandbox:
        with _sandbox_url(settings) as url:
            oauth = OAuthClient(
                url, SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET, SANDBOX_REDIRECT_URLS[0]
            )
            with _client(settings, url, f"{url}/scim/v2", SandboxLogin(oauth)) as client:
                yield client
        return
    access, refresh = settings.swit_access_token, settings.swit_refresh_token
    first = TokenPair(
        access_token=access.get_secret_value() if access else "",
        refresh_token=refresh.get_secret_value() if refresh else None,
    )
    given = None if access is None and refresh is None else first
    tokens = StoredTokens(oauth_client(settings), TokensInStore(store), given)
    with client_with(settings, tokens) as client:
        yield client


def client_with(settings: Settings, tokens: TokenSource) -> SwitClient:
    """A client for the Swit that the settings name, with these tokens; close it.

    Raises:
        SettingsError: the tokens would be sent unencrypted.

    """
    settings.require_encryption()
    return _client(settings, settings.base_url, settings.scim_base_url, tokens)


def oauth_client(settings: Settings) -> OAuthClient:
    """The app that is registered with Swit.

    Raises:
        SettingsError: its secret would be sent unencrypted.

    """
    settings.require_encryption()
    secret = settings.swit_client_secret
    return OAuthClient(
        settings.base_url,
        settings.swit_client_id or "",
        secret.get_secret_value() if secret else "",
        settings.swit_redirect_url,
        timeout_seconds=settings.swit_timeout_seconds,
    )


def _client(
    settings: Settings, base_url: str, scim_base_url: str, tokens: TokenSource
) -> SwitClient:
    return SwitClient(
        base_url=base_url,
        scim_base_url=scim_base_url,
        tokens=tokens,
        pace=parse_pace(settings.swit_requests_per_second),
        connections=settings.swit_max_concurrency,
        timeout_seconds=settings.swit_timeout_seconds,
    )


class TokensInStore:
    """The state database as the client's token store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self) -> TokenPair | None:
        """The stored pair, if there is one."""
        row = self._store.tokens.load()
        return None if row is None else TokenPair(**vars(row))

    def save(self, pair: TokenPair) -> None:
        """Keep a pair, before it is used."""
        self._store.tokens.save(TokenRow(**vars(pair)))

    def exclusive(self) -> AbstractContextManager[None]:
        """One refresher among all threads and processes."""
        return self._store.tokens.exclusive()


class SandboxLogin:
    """Logs in to the sandbox, which approves every login."""

    def __init__(self, oauth: OAuthClient) -> None:
        self._oauth = oauth
        self._pair: TokenPair | None = None

    def access_token(self) -> str:
        """A token, after a login at the first call."""
        return self._pair.access_token if self._pair else self.refreshed("")

    def refreshed(self, refused: str) -> str:
        """Another token: the sandbox was restarted, or the token has expired."""
        del refused
        url = self._oauth.authorize_url(state=secrets.token_urlsafe(8), scope=DEFAULT_SCOPE)
        answer = requests.get(url, allow_redirects=False, timeout=10)
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        self._pair = self._oauth.exchange(code)
        return self._pair.access_token


@contextmanager
def _sandbox_url(settings: Settings) -> Iterator[str]:
    """A sandbox that lives as long as this run and keeps its organisation in a file.

    With `IS_RUNNING_LOCALLY` alone it is the one that runs on this machine, if one does.
    """
    with socket.socket() as probe:
        probe.settimeout(1)
        running = probe.connect_ex(("127.0.0.1", SANDBOX_PORT)) == 0
    if running and settings.swit != "sandbox":
        yield f"http://127.0.0.1:{SANDBOX_PORT}"
        return
    # A run on the real Swit need not wait until a web server is imported.
    from swit_provisioning.sandbox.server import SandboxServer  # noqa: PLC0415

    with SandboxServer(state_file=settings.sandbox_file) as server:
        yield server.url
