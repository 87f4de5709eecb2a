"""The services of `deploy/` as processes of their own, on PostgreSQL, with nginx in front."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.state.store import Store
from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.dagster_web import DagsterWeb
from swit_provisioning_tests.directories import twenty_people
from swit_provisioning_tests.integration.authority import Certificate, certificate
from swit_provisioning_tests.integration.deployment import (
    DEPLOY,
    SERVICES,
    Deployment,
    command_of,
    deployment,
    unit_of,
)
from swit_provisioning_tests.integration.gateway_process import KEY
from swit_provisioning_tests.integration.nginx import PASSWORDS, nginx
from swit_provisioning_tests.integration.stage import settings
from swit_provisioning_tests.postgresql import Postgresql
from swit_provisioning_tests.receiver import Receiver

_SECONDS = 240
_CONFLICT = 409
_LAUNCH = """mutation ($job: String!) { launchRun(executionParams: {
    selector: {repositoryName: "__repository__", repositoryLocationName: "swit_provisioning",
               jobName: $job}, runConfigData: {}, mode: "default"})
    { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_RUNS = """{ runsOrError { ... on Runs { results { runId jobName status
    tags { key value } } } } }"""


@pytest.fixture(scope="module")
def swit() -> Iterator[SandboxServer]:
    with SandboxServer() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("deployment")
    (made / "directory.json").write_text(json.dumps(twenty_people()), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def state(postgresql_server: Postgresql) -> str:
    return postgresql_server.new_database()


@pytest.fixture(scope="module")
def chat() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def variables(swit: SandboxServer, folder: Path, state: str, chat: Receiver) -> Mapping[str, str]:
    """The settings of the code location: tonight is far away until a test sets its time."""
    named = settings(folder, swit)
    del named["DAGSTER_HOME"]
    tonight = datetime.now(UTC) + timedelta(hours=12)
    return {
        **named,
        "STATE_DATABASE_URL": state,
        "FRAMES_BASE_PATH": str(folder / "frames"),
        "SCHEDULE_TIME": f"{tonight:%H:%M}",
        "SWIT_WEBHOOK_URL": chat.url,
    }


@pytest.fixture(scope="module")
def deployed(
    postgresql_server: Postgresql, folder: Path, variables: Mapping[str, str]
) -> Iterator[Deployment]:
    with deployment(
        folder, dagster_database=postgresql_server.new_database(), settings=variables
    ) as running:
        yield running


@pytest.fixture(scope="module")
def tls(folder: Path) -> Certificate:
    return certificate(folder)


@pytest.fixture(scope="module")
def front(sites: Mapping[str, int]) -> str:
    """The address of nginx before the webservers, with the setting that is shipped."""
    return f"https://127.0.0.1:{sites['443']}"


@pytest.fixture(scope="module")
def gateway(sites: Mapping[str, int]) -> str:
    """The same before the gateway."""
    return f"https://127.0.0.1:{sites['8443']}"


@pytest.fixture(scope="module")
def sites(deployed: Deployment, folder: Path, tls: Certificate) -> Iterator[Mapping[str, int]]:
    """Both sites of nginx: the port that is written in the file -> the one it has here."""
    with nginx(folder, tls, deployed.ports) as ports:
        yield ports


def _runs(web: DagsterWeb, job: str) -> list[dict[str, Any]]:
    return [run for run in web.ask(_RUNS)["runsOrError"]["results"] if run["jobName"] == job]


def _ended(web: DagsterWeb, job: str) -> dict[str, Any]:
    """The first run of this job, once it has ended."""

    def ended() -> dict[str, Any] | None:
        for run in _runs(web, job):
            if run["status"] in {"SUCCESS", "FAILURE", "CANCELED"}:
                return run
        return None

    return until(ended, seconds=_SECONDS, what=lambda: f"runs of {job}: {_runs(web, job)}")


def _as(name: str, front: str, tls: Certificate) -> DagsterWeb:
    web = DagsterWeb(front, login=(name, PASSWORDS[name]), ca=str(tls.authority))
    web.web.headers["Origin"] = front  # as a browser says it for the UI's own pages
    return web


def test_without_a_password_there_is_no_page(front: str, tls: Certificate) -> None:
    ours = {"Origin": front}
    for method, path in (
        ("GET", "/"),
        ("POST", "/graphql"),
        ("GET", "/server_info"),
        ("POST", "/report_asset_materialization/x"),
    ):
        answer = requests.request(
            method, f"{front}{path}", headers=ours, verify=str(tls.authority), timeout=10
        )
        assert (answer.status_code, "dagster" in answer.text.lower()) == (401, False)
    wrong = DagsterWeb(front, login=("ann", "guessed"), ca=str(tls.authority))
    wrong.web.headers.update(ours)
    with pytest.raises(requests.HTTPError, match="401"):
        wrong.has_loaded() if wrong.ask("{ version }") else None


def test_a_reviewer_looks_and_cannot_launch(front: str, tls: Certificate) -> None:
    reviewer = _as("rob", front, tls)
    assert reviewer.has_loaded()
    before = len(_runs(reviewer, "plan"))
    refused = reviewer.ask(_LAUNCH, job="plan")["launchRun"]
    assert refused["__typename"] == "UnauthorizedError"
    assert len(_runs(reviewer, "plan")) == before


def test_an_operator_launches(front: str, tls: Certificate) -> None:
    operator = _as("ann", front, tls)
    # What a plan needs is all read: the directory, Swit, the state.
    launched = operator.ask(_LAUNCH, job="plan")["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    assert _ended(operator, "plan")["status"] == "SUCCESS"


def test_graphql_accepts_only_requests_of_the_same_origin(front: str, tls: Certificate) -> None:
    operator = _as("ann", front, tls)
    assert operator.ask("{ version }")["version"]
    query = {"query": "{ version }"}

    def status(
        method: str = "POST", path: str = "/graphql", *, origin: str | None = front, **fetch: str
    ) -> int:
        headers = {name.replace("_", "-"): value for name, value in fetch.items()}
        headers |= {"Origin": origin} if origin is not None else {}
        with requests.Session() as web:
            web.auth, web.verify, web.trust_env = operator.web.auth, operator.web.verify, False
            url, body = (f"{front}{path}", query) if method == "POST" else ("", None)
            url = url or f"{front}{path}?query={{version}}"
            return web.request(method, url, json=body, headers=headers, timeout=10).status_code

    for origin in ("https://evil.example", "null", f"{front}.evil.example", "", None):
        assert status(origin=origin) == 403, origin
    assert status(Sec_Fetch_Site="same-origin") == 200
    assert status(Sec_Fetch_Site="none") == 200
    for site in ("same-site", "cross-site", "anything"):
        assert status(Sec_Fetch_Site=site) == 403, site
    for method in ("GET", "HEAD", "PUT", "OPTIONS"):
        assert status(method) == 405, method
        assert status(method, origin=None) == 405, method
    for path in ("//graphql", "/graphql/", "/GRAPHQL", "/graphql%3F"):
        assert status("GET", path, origin=None) == 405, path
    # A message links to a run; nothing but reading may come from another site.
    assert status("GET", "/runs/x", origin=None, Sec_Fetch_Site="cross-site") == 200
    assert status("POST", "/report_asset_check/x", Sec_Fetch_Site="same-site") == 403
    assert status("POST", "/report_asset_materialization/x", origin=None) == 403


def test_the_ui_cannot_be_framed(front: str, tls: Certificate) -> None:
    answer = _as("rob", front, tls).web.get(front, timeout=10)
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


def test_the_gateway_needs_its_key(gateway: str, tls: Certificate) -> None:
    ca = str(tls.authority)
    for key in ({}, {"x-secret-key": "guessed"}):
        answer = requests.get(f"{gateway}/status", headers=key, verify=ca, timeout=10)
        assert answer.status_code == 401
    answer = requests.get(f"{gateway}/status", headers={"x-secret-key": KEY}, verify=ca, timeout=30)
    assert answer.status_code == 200
    assert answer.json()["mode"] == "live"


def test_wrong_keys_are_counted_by_the_real_address(gateway: str, tls: Certificate) -> None:
    """Wrong keys are counted by address: the one that nginx sees, not the one a client names."""
    with requests.Session() as guesser:
        guesser.trust_env = False
        guesser.verify = str(tls.authority)
        seen = set()
        for number in range(15):
            headers = {"x-secret-key": "guessed", "X-Forwarded-For": f"198.51.100.{number}"}
            seen.add(guesser.get(f"{gateway}/status", headers=headers, timeout=10).status_code)
    assert seen == {401, 429}


def test_webserver_and_daemon_have_no_secret_of_swit(
    deployed: Deployment, variables: Mapping[str, str]
) -> None:
    """They show pages to people; only the code location needs the settings."""
    for name in ("web", "review", "daemon"):
        process = deployed.programs[name].process_id
        environment = Path(f"/proc/{process}/environ").read_text("utf-8")
        assert variables["SWIT_CLIENT_SECRET"] not in environment
        assert variables["STATE_DATABASE_URL"] not in environment


def _nightly_run(deployed: Deployment) -> dict[str, Any]:
    """The first run of the schedule, once it has ended.

    The code location starts again with a time that is near. On a slow machine the daemon may see
    the new time too late: then the next night counts.
    """

    def started() -> bool | None:
        if _runs(deployed.operators, "sync"):
            return True
        return False if datetime.now(UTC) > tonight + timedelta(minutes=1) else None

    for _ in range(3):
        tonight = (datetime.now(UTC) + timedelta(minutes=2)).replace(second=0, microsecond=0)
        deployed.programs["code"].restart(SCHEDULE_TIME=f"{tonight:%H:%M}")
        if until(started, seconds=_SECONDS, what=deployed.programs["daemon"].last_words):
            break
    return _ended(deployed.operators, "sync")


def test_the_nightly_run_starts_by_itself_and_is_reported(
    deployed: Deployment, swit: SandboxServer, state: str, chat: Receiver
) -> None:
    run = _nightly_run(deployed)
    assert run["status"] == "SUCCESS", deployed.programs["code"].last_words()
    assert {"key": "dagster/schedule_name", "value": "daily_sync"} in run["tags"]
    assert len(swit.organisation.snapshot()["users"]) == 1 + 20
    with Store.open(state) as store:
        assert {entry.run_id for entry in store.journal.rows()} == {run["runId"]}
        assert len(store.identities.memory().users) == 20
    until(lambda: chat.texts or None, seconds=_SECONDS, what=lambda: str(run))
    (text,) = chat.texts
    assert run["runId"] in text


def test_two_code_locations_that_share_the_state_never_write_at_once(
    postgresql_server: Postgresql, tmp_path: Path
) -> None:
    """On two machines, each with a Dagster of its own: only the lease keeps them apart."""
    with SandboxServer() as swit, ExitStack() as running:
        state = postgresql_server.new_database()
        machines = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "directory.json").write_text(json.dumps(twenty_people()), encoding="utf-8")
            named = settings(folder, swit)
            del named["DAGSTER_HOME"]
            deployed = deployment(
                folder,
                dagster_database=postgresql_server.new_database(),
                settings=named | {"STATE_DATABASE_URL": state},
                services=("code", "web", "daemon"),
            )
            machines.append(running.enter_context(deployed))
        for machine in machines:
            launched = machine.operators.ask(_LAUNCH, job="sync")["launchRun"]
            assert launched["__typename"] == "LaunchRunSuccess", launched
        ended = [_ended(machine.operators, "sync") for machine in machines]
        assert {"SUCCESS"} <= {run["status"] for run in ended} <= {"SUCCESS", "FAILURE"}
        assert len(swit.organisation.snapshot()["users"]) == 1 + 20
        refused = [c for c in swit.log.of() if c.call.endswith(".create") and c.status == _CONFLICT]
        assert refused == [], "nothing was made a second time"
        with Store.open(state) as store:
            entries = store.journal.rows()
        assert len({entry.run_id for entry in entries}) == 1
        outcomes = {(entry.action, entry.outcome) for entry in entries}
        # Swit itself makes the first team that a user joins the primary one, often the right one.
        outcomes.discard(("primary.update", "already so"))
        assert {outcome for _, outcome in outcomes} == {"applied"}


def test_webservers_and_daemon_store_nothing_in_their_homes(
    deployed: Deployment, folder: Path
) -> None:
    """Runs that they launch are processes of the code location, under an account of its own."""
    _ended(deployed.operators, "sync")
    for service in ("web", "review", "daemon"):
        home = folder / Path(dict(unit_of(service))["WorkingDirectory"]).name
        # Dagster's telemetry, which is off, makes two empty folders all the same.
        left = {path.name for path in home.rglob("*")} - {"logs", ".logs_queue"}
        assert left == {"dagster.yaml"}


def test_containers_may_write_what_runs_write() -> None:
    """All else in them is read-only; a run keeps frames, pages and who is alive in its home."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    for service in SERVICES:
        declared = compose["services"][service]
        assert declared["read_only"]
        assert f"home:{declared['environment']['DAGSTER_HOME']}" in declared["volumes"]


def test_containers_have_no_capabilities_and_trust_one_proxy() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    for service in compose["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
    assert not [name for name in SERVICES if "cap_add" in compose["services"][name]]
    (network,) = compose["networks"]["default"]["ipam"]["config"]
    gateway = compose["services"]["gateway"]["environment"]
    assert gateway["FORWARDED_ALLOW_IPS"] == network["gateway"]


def test_every_image_is_pinned_by_digest() -> None:
    """The digest is asked for: without it nothing is built or started."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    images = [s["image"] for s in compose["services"].values() if "image" in s]
    assert images
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d+@\$\{[A-Z]+_DIGEST:\?[^}]+\}", image), image
    for service in SERVICES:
        args = compose["services"][service]["build"]["args"]
        assert args["PYTHON_DIGEST"].startswith("${PYTHON_DIGEST:?")
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    sources = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert [source.partition("@")[2] for source in sources] == ["${PYTHON_DIGEST}"]
    assert "PYTHON_DIGEST=" not in dockerfile, "it has no default"
    readme = (DEPLOY / "README.md").read_text("utf-8")
    assert "PYTHON_DIGEST=$(" in readme
    assert "POSTGRES_DIGEST=$(" in readme


@pytest.mark.parametrize("service", SERVICES)
def test_containers_start_what_systemd_starts(service: str) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    words = ["127.0.0.1" if word == "0.0.0.0" else word for word in _words(compose, service)]  # noqa: S104 - in a container
    program, *rest = command_of(service)
    assert words == [program.rpartition("/")[2], *rest]


def _words(compose: Any, service: str) -> list[str]:  # noqa: ANN401 - YAML
    return [str(word) for word in compose["services"][service]["command"]]


def test_the_servers_dagster_yaml_differs_only_in_storage() -> None:
    """A server's `dagster.yaml` is the built-in one with another storage."""
    built_in = yaml.safe_load((DEPLOY.parent / "swit_provisioning/dagster.yaml").read_text("utf-8"))
    server = yaml.safe_load((DEPLOY / "dagster.yaml").read_text("utf-8"))
    assert set(server.pop("storage")) == {"postgres"}
    assert server == built_in


def test_each_service_has_an_account_of_its_own_and_no_secret_that_it_does_not_need() -> None:
    """The gateway starts runs itself: they are the code location's, and so is its account."""
    needed = {"state_database_url", "ldap_password", "swit_client_secret", "token_encryption_key"}
    secrets = {"code": needed, "gateway": {*needed, "operation_auth_key"}}
    accounts = {}
    for service in SERVICES:
        lines = unit_of(service)
        unit = dict(lines)
        accounts[service] = unit["User"]
        assert unit["Group"] == unit["User"]
        assert unit["WorkingDirectory"] == f"/var/lib/{unit['StateDirectory']}"
        assert ("UMask", "0077") in lines
        assert ("Environment", "PYTHONSAFEPATH=1") in lines
        credentials = {
            tuple(value.split(":", 1)) for name, value in lines if name == "LoadCredential"
        }
        wanted = secrets.get(service, set())
        assert credentials == {(name, f"/etc/swit-provisioning/secrets/{name}") for name in wanted}
        for name in wanted:
            assert ("Environment", f"{name.upper()}_FILE=%d/{name}") in lines
        files = {value.rpartition("/")[2] for name, value in lines if name == "EnvironmentFile"}
        assert ("code.env" in files) == (service in secrets)
        for file in files:
            # Systemd prefers their lines to those of the unit.
            assert "_FILE=" not in (DEPLOY / "systemd" / file).read_text("utf-8")
    assert accounts.pop("gateway") == accounts["code"]
    assert len(set(accounts.values())) == len(accounts)


@pytest.mark.needs("systemd")
@pytest.mark.parametrize("service", SERVICES)
def test_systemd_rates_the_exposure_of_each_service_as_low(service: str) -> None:
    unit = DEPLOY / "systemd" / f"swit-provisioning-{service}.service"
    said = subprocess.run(  # noqa: S603 - our own files
        ["/usr/bin/systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", said.stdout)
    assert found is not None, said
    assert float(found[1]) < 4


@pytest.mark.needs("systemd")
def test_systemd_knows_every_line_of_the_units(tmp_path: Path) -> None:
    for unit in sorted((DEPLOY / "systemd").glob("*.service")):
        text = unit.read_text("utf-8").replace("/opt/swit-provisioning/bin/", "/usr/bin/env ")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    said = subprocess.run(  # noqa: S603 - our own files
        ["/usr/bin/systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not [line for line in said.stderr.splitlines() if "swit-provisioning" in line], said
