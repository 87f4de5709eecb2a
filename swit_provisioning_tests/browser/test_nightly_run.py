"""The nightly run on real processes: it starts by itself, and its message links to it."""

import re
from datetime import timedelta
from typing import Any

from playwright.sync_api import Page, expect

from swit_provisioning.operations.alarms import Watch
from swit_provisioning_tests.browser.night import Night
from swit_provisioning_tests.browser.screens import RunPage
from swit_provisioning_tests.browser.waiting import until
from swit_provisioning_tests.directories import twenty_people

_SECONDS = 240
_TICKS = """query ($sensor: String!) { sensorOrError(sensorSelector: {
    repositoryName: "__repository__", repositoryLocationName: "swit_provisioning",
    sensorName: $sensor}) { ... on Sensor { sensorState { ticks(limit: 500) {
    status skipReason error { message } } } } } }"""
_CURSOR = """{ sensorOrError(sensorSelector: {
    repositoryName: "__repository__", repositoryLocationName: "swit_provisioning",
    sensorName: "alarms"}) { ... on Sensor { sensorState { typeSpecificData {
    ... on SensorData { lastCursor } } } } } }"""
_SET_CURSOR = """mutation ($cursor: String!) { setSensorCursor(sensorSelector: {
    repositoryName: "__repository__", repositoryLocationName: "swit_provisioning",
    sensorName: "alarms"}, cursor: $cursor) { __typename } }"""


def _cursor(night: Night) -> str | None:
    found: Any = night.dagster.ask(_CURSOR)["sensorOrError"]["sensorState"]["typeSpecificData"]
    return str(found["lastCursor"]) if found else None


def _skip_reasons(night: Night, sensor: str) -> list[str]:
    found: Any = night.dagster.ask(_TICKS, sensor=sensor)["sensorOrError"]
    return [str(tick["skipReason"] or tick["error"]) for tick in found["sensorState"]["ticks"]]


def test_the_message_about_the_nightly_run_links_to_its_page(night: Night, page: Page) -> None:
    assert night.announced == night.due.isoformat()
    until(
        lambda: night.chat.texts or None,
        seconds=_SECONDS,
        what=lambda: str(_skip_reasons(night, "run_messages")),
    )
    (text,) = night.chat.texts
    assert text.splitlines()[0].endswith(": applied")
    assert text.splitlines()[1].startswith("11 teams to create; 20 users to create")
    found = re.search(r"Run ([0-9a-f-]{36}): (http://\S+)", text)
    assert found is not None
    run_id, link = found.groups()
    page.goto(link)
    run = RunPage(page)
    assert (run.run_id, run.ended()) == (run_id, "Success")
    expect(page.get_by_text("daily_sync").first).to_be_visible()
    post = until(lambda: next(iter(night.alerts.taken), None), seconds=_SECONDS, what=lambda: text)
    assert (post["run_id"], post["status"]) == (run_id, "applied")
    assert post["outcomes"].keys() <= {"applied", "already so"}
    assert sum(post["outcomes"].values()) == 40
    assert night.gateway.status()["last_success"]["run_id"] == run_id
    assert len(night.swit.organisation.snapshot()["users"]) == 1 + 20


def test_a_run_of_the_gateway_is_reported_once_although_the_daemon_sees_it_too(
    night: Night,
) -> None:
    before = len(night.chat.texts)
    directory = twenty_people()
    directory["users"][0]["mobile"] = "+491760000042"
    night.write(directory)
    with night.gateway.client() as client:
        run_id = client.ask("/user_update", "POST").json()["run_id"]
    assert night.gateway.ended(run_id) == 0, night.gateway.terminal.errors

    ticks = len(_skip_reasons(night, "run_messages"))

    def looked() -> bool | None:
        """Whether the daemon looked again after the half minute that it leaves to the command."""
        return len(_skip_reasons(night, "run_messages")) >= ticks + 4 or None

    until(looked, seconds=_SECONDS, what=lambda: str(_skip_reasons(night, "run_messages")))
    assert len(night.chat.texts) == before + 1
    assert run_id in night.chat.texts[-1]


def test_the_daemon_runs_the_alarms_sensor(night: Night) -> None:
    assert set(_skip_reasons(night, "alarms")) == {"There are no new problems."}
    assert [post["event"] for post in night.alerts.taken] == ["run"] * len(night.alerts.taken)


def test_the_daemon_reports_a_night_on_which_it_was_off(night: Night) -> None:
    """As if nobody had looked since the day before yesterday; tonight's run did happen."""
    seen = night.due - timedelta(hours=25)
    watch = Watch(since=seen - timedelta(days=9), up_since=seen - timedelta(days=9), seen=seen)
    before = len(night.alerts.taken)

    def told() -> bool | None:
        """Whether it was. A look that had begun earlier stores its own cursor at its end."""
        if Watch.of(_cursor(night), night.due).seen != seen and len(night.alerts.taken) == before:
            said = night.dagster.ask(_SET_CURSOR, cursor=watch.cursor())
            assert said["setSensorCursor"]["__typename"] == "Sensor", said
        return len(night.alerts.taken) > before or None

    until(
        told,
        seconds=_SECONDS,
        what=lambda: str(_skip_reasons(night, "alarms")),
    )
    (post,) = night.alerts.taken[before:]
    missed = night.due - timedelta(days=1)
    assert post["event"] == "night missed"
    assert post["title"] == (
        f"Swit provisioning: a nightly run was missed: {missed:%Y-%m-%d %H:%M} (UTC)."
    )
