"""The shipped nginx in front of the UI: a page of the same site can't use an operator's login."""

import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, Response, WebSocket

from swit_provisioning_tests.browser.dagster_dev import DagsterDev
from swit_provisioning_tests.browser.screens import Launchpad
from swit_provisioning_tests.dagster_web import DagsterWeb
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.nginx import PASSWORDS, nginx
from swit_provisioning_tests.ports import free_port

_LAUNCH = """mutation { launchRun(executionParams: {
    selector: {repositoryName: "__repository__", repositoryLocationName: "swit_provisioning",
               jobName: "plan"}, runConfigData: {}, mode: "default"}) { __typename } }"""
_RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"
_ATTACK = """<!doctype html><title>attacking</title><img id="image"><script>
const address = "%(address)s";
const loaded = new Promise(done => { image.onload = image.onerror = done; image.src = address; });
const plain = {mode: "no-cors", credentials: "include"};
const sent = ["GET", "POST"].map(method => fetch(address, {...plain, method}).catch(() => 0));
const socket = new Promise(done => {
  const opened = new WebSocket(address.replace("https", "wss").split("?")[0], "graphql-ws");
  opened.onopen = () => { document.body.append("connected"); done(); };
  opened.onerror = done;
});
Promise.all([loaded, ...sent, socket]).then(() => { document.title = "attacked"; });
</script>"""


@dataclass(frozen=True, kw_only=True)
class Front:
    """Addresses of two servers of one site."""

    ours: str
    evil: str


@pytest.fixture(scope="module")
def front(dagster: DagsterDev, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    port, other = free_port(), int(dagster.url.rpartition(":")[2])
    more = (
        f"server {{ listen 127.0.0.1:{port} ssl; root {folder}/evil;"
        f" ssl_certificate {folder}/nginx/tls.pem; ssl_certificate_key {folder}/nginx/tls.key; }}"
    )
    servers = {"web": other, "review": other, "gateway": other}
    with nginx(folder, certificate(folder), servers, more=more) as ports:
        ours = f"https://127.0.0.1:{ports['443']}"
        address = f"{ours}/graphql?{urllib.parse.urlencode({'query': _LAUNCH})}"
        (folder / "evil").mkdir()
        page = folder / "evil" / "index.html"
        page.write_text(_ATTACK % {"address": address}, encoding="utf-8")
        yield Front(ours=ours, evil=f"https://127.0.0.1:{port}")


@pytest.fixture
def operator(browser: Browser) -> Iterator[Page]:
    """A browser that keeps an operator's name and password."""
    login = {"username": "ann", "password": PASSWORDS["ann"]}
    context = browser.new_context(
        ignore_https_errors=True,
        http_credentials=login,  # type: ignore[arg-type] # a TypedDict that has no public name
        viewport={"width": 1440, "height": 900},
    )
    yield context.new_page()
    context.close()


def _runs(dagster: DagsterWeb) -> set[str]:
    return {run["runId"] for run in dagster.ask(_RUNS)["runsOrError"]["results"]}


def test_a_page_of_the_same_site_launches_nothing(
    operator: Page, front: Front, dagster: DagsterDev
) -> None:
    before = _runs(dagster)
    operator.goto(front.ours)
    answers: list[Response] = []

    def note(answer: Response) -> None:
        answers.append(answer)

    operator.on("response", note)
    operator.goto(front.evil)
    operator.wait_for_function("document.title == 'attacked'")
    # The page that was left may still get an answer to a question of its own.
    refused = [
        (answer.request.method, answer.status)
        for answer in answers
        if "/graphql" in answer.url
        and answer.request.headers.get("referer", "").startswith(front.evil)
    ]
    assert set(refused) == {("GET", 405), ("POST", 403)}
    assert "connected" not in operator.inner_text("body")
    assert _runs(dagster) == before


def test_an_operator_launches_a_run_in_the_ui_and_watches_it_end(
    operator: Page, front: Front, dagster: DagsterDev
) -> None:
    """What the page shows of a run comes over a WebSocket."""
    before = _runs(dagster)
    heard: list[str] = []
    refused: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: heard.append(str(frame)))

    def note(answer: Response) -> None:
        if answer.status in {403, 405}:
            refused.append(f"{answer.request.method} {answer.url}")

    operator.on("websocket", listen)
    operator.on("response", note)
    run = Launchpad(operator, front.ours, "plan").launch()
    assert run.ended() == "Success"
    assert run.run_id in _runs(dagster) - before
    assert any("RunLogsSubscriptionSuccess" in frame for frame in heard), heard[:5]
    assert refused == []
