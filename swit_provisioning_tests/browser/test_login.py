"""A person logs in: at the gateway with its key, and in the browser that `login` opens."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning_tests.cli.terminal import Terminal
from swit_provisioning_tests.integration.gateway_process import KEY, GatewayProcess
from swit_provisioning_tests.ports import free_port


@pytest.fixture
def desk(environment: Mapping[str, str], swit: SandboxServer, tmp_path: Path) -> dict[str, str]:
    """Settings of a machine where nobody has logged in, with a state of its own."""
    port = free_port()
    redirect_url = f"http://127.0.0.1:{port}/oauth_callback"
    swit.tokens.redirect_urls = (*swit.tokens.redirect_urls, redirect_url)
    made = {
        **environment,
        "DAGSTER_HOME": str(tmp_path / "home"),
        "SWIT_REDIRECT_URL": redirect_url,
        "OPERATION_AUTH_KEY": KEY,
        "PORT": str(port),
        "BROWSER": "true",
    }
    del made["SWIT_ACCESS_TOKEN"], made["SWIT_REFRESH_TOKEN"]
    return made


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser complains of: a style or a way that our own headers forbid, say."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def test_an_administrator_logs_in_at_the_gateway(
    page: Page, complaints: list[str], desk: dict[str, str], tmp_path: Path
) -> None:
    with GatewayProcess(desk, tmp_path) as gateway:
        page.goto(f"{gateway.url}/login")
        field = page.get_by_label("OPERATION_AUTH_KEY")
        expect(field).to_be_focused()
        expect(field).to_have_attribute("type", "password")
        field.fill("wrong")
        page.get_by_role("button", name="Log in to Swit").click()
        expect(page.get_by_role("alert")).to_contain_text("The key is wrong")
        page.get_by_label("OPERATION_AUTH_KEY").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Logged in")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text("admin@sandbox.example (admin)")
        assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none", "it is styled"
        assert gateway.status()["token_expires_at"] is not None
    assert [text for text in complaints if "401" not in text and "favicon" not in text] == []


def test_the_browser_that_login_opens_comes_back(
    page: Page, complaints: list[str], desk: dict[str, str], tmp_path: Path
) -> None:
    with Terminal("login", environment=desk, folder=tmp_path) as terminal:
        page.goto(terminal.address())
        expect(page).to_have_title("Logged in - swit_provisioning")
        expect(page.get_by_role("heading", name="Logged in")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text("You may close this page.")
        assert terminal.code() == 0, terminal.errors
    assert [text for text in complaints if "favicon" not in text] == []
