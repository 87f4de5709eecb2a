"""Messages about runs: each once, whoever started the run; no webhook makes a run fail."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from swit_provisioning.apply.run_model import JobName
from swit_provisioning.cli.framework import prepare_home
from swit_provisioning.cli.sync import instance, reconstructable_job
from swit_provisioning.definitions import defs
from swit_provisioning.defs.sensors import alarms
from swit_provisioning.operations.alarms import Watch
from swit_provisioning.sandbox.faults import Fault
from swit_provisioning.settings import Settings
from swit_provisioning_tests.integration.stage import Stage
from swit_provisioning_tests.operations.conftest import daemon_looks
from swit_provisioning_tests.receiver import Manner, Receiver

Looks = Callable[[], str]


def test_a_sync_with_changes_is_reported_once_to_both_channels(
    on_stage: Stage,
    chat: Receiver,
    alerts: Receiver,
    daemon: Looks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_URL", "https://sync.example.com:8443")
    done = on_stage.json("sync")
    (text,) = chat.texts
    lines = text.splitlines()
    assert lines[0].endswith(": applied")
    assert lines[1].startswith("11 teams to create; 20 users to create")
    assert f"Run {done['run_id']}: https://sync.example.com/runs/{done['run_id']}" in lines
    page = f"https://sync.example.com:8443/plans/{done['plan_id']}"
    assert f"Plan {done['plan_id']}: swit-provisioning show {done['plan_id']} · {page}" in lines
    (post,) = alerts.taken
    expected: dict[str, Any] = {
        "event": "run",
        "severity": "info",
        "text": text,
        "status": "applied",
        "run_id": done["run_id"],
        "plan_id": done["plan_id"],
        "counts": done["counts"],
        "outcomes": done["outcomes"],
        "run_url": f"https://sync.example.com/runs/{done['run_id']}",
        "plan_url": page,
    }
    assert expected.items() <= post.items()
    daemon()
    assert (len(chat.taken), len(alerts.taken)) == (1, 1)


def test_messages_have_codes_instead_of_people_unless_the_settings_say_otherwise(
    on_stage: Stage, chat: Receiver, alerts: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_stage.run("sync")
    said = str(chat.taken + alerts.taken)
    for person in on_stage.directory["users"]:
        assert person["mail"] not in said
        assert person["displayName"] not in said
        assert not person["mobile"] or person["mobile"] not in said
    assert "user.create person " in said
    monkeypatch.setenv("HIDE_NAMES", "nowhere")
    on_stage.directory["users"][0]["displayName"] = "Amelie Blanc"
    on_stage.run("sync")
    assert "Amelie Blanc" in chat.texts[-1]


def test_a_sync_with_nothing_to_do_is_not_reported(
    on_stage: Stage, chat: Receiver, daemon: Looks
) -> None:
    on_stage.run("sync")
    again = on_stage.json("sync")
    assert again["status"] == "nothing to do"
    daemon()
    assert len(chat.taken) == 1


def test_a_blocked_sync_is_reported_with_the_command_that_approves_it(
    on_stage: Stage, chat: Receiver, alerts: Receiver, daemon: Looks
) -> None:
    on_stage.run("sync")
    on_stage.directory["users"] = on_stage.directory["users"][:12]
    stopped = on_stage.json("sync", code=3)
    text, post = chat.texts[-1], alerts.taken[-1]
    assert "STOPPED BY A GUARD, nothing was written" in text
    assert "MAX_DEACTIVATIONS" in text
    assert f'swit-provisioning apply {stopped["plan_id"]} --approve "reason"' in text
    assert (post["severity"], post["status"]) == ("error", "blocked")
    assert "deactivations_within_limit" in post["guards"]
    daemon()
    assert len(chat.taken) == 2


def test_a_rejected_change_is_reported_with_its_reason(
    on_stage: Stage, chat: Receiver, alerts: Receiver
) -> None:
    on_stage.server.faults.add(Fault(kind="status", call="organization.user.create", status=400))
    assert on_stage.json("sync", code=4)["outcomes"]["rejected"] == 1
    text = chat.texts[0]
    assert "applied, but not all of it" in text.splitlines()[0]
    assert "rejected: " in text
    assert alerts.taken[0]["severity"] == "warning"


def test_a_failed_run_is_reported_with_its_reason(
    on_stage: Stage, chat: Receiver, alerts: Receiver
) -> None:
    on_stage.server.tokens.revoke_all()
    assert on_stage.run("sync").exit_code == 1
    assert "FAILED" in chat.texts[0].splitlines()[0]
    assert "Log in again" in chat.texts[0]
    assert alerts.taken[0]["status"] == "failed"


@pytest.mark.parametrize("manner", ["fails", "refuses", "hangs"])
def test_a_webhook_that_is_down_does_not_fail_the_run(
    on_stage: Stage, chat: Receiver, alerts: Receiver, manner: Manner
) -> None:
    chat.manner = manner
    assert on_stage.run("sync").exit_code == 0
    assert len(alerts.taken) == 1, "the other one is told"


def test_an_undelivered_message_is_posted_when_the_webhook_is_up_again(
    on_stage: Stage, chat: Receiver, alerts: Receiver, daemon: Looks
) -> None:
    chat.manner = "fails"
    on_stage.run("sync")
    assert "HTTP 500" in daemon()
    assert chat.taken == []
    chat.manner = "takes"
    for _ in range(2):
        assert daemon() == ""
    assert (len(chat.taken), len(alerts.taken)) == (1, 1)


def test_a_webhook_that_is_down_is_tried_for_one_run_per_tick(
    on_stage: Stage, chat: Receiver, daemon: Looks
) -> None:
    chat.manner = "fails"
    on_stage.run("sync")
    on_stage.directory["users"][0]["displayName"] = "Amelie Blanc"
    on_stage.run("sync")
    before = len(chat.bodies)
    daemon()
    assert len(chat.bodies) - before == 2, "two tries of one message"
    chat.manner = "takes"
    daemon()
    joined, renamed = (text.splitlines()[1] for text in chat.texts)
    assert joined.startswith("11 teams to create; 20 users to create")
    assert renamed.endswith("to update")


def test_a_refused_message_is_given_up(on_stage: Stage, chat: Receiver, daemon: Looks) -> None:
    chat.manner = "refuses"
    on_stage.run("sync")
    chat.manner = "takes"
    daemon()
    assert chat.taken == []


def test_only_a_scheduled_plan_is_reported(on_stage: Stage, chat: Receiver, daemon: Looks) -> None:
    """Who types `plan` sees it; a shadow that nobody sees says what it would have done."""
    on_stage.run("plan")
    assert chat.taken == []
    _scheduled("plan")
    daemon()
    (text,) = chat.texts
    assert "planned, nothing was written" in text.splitlines()[0]
    assert "20 users to create" in text


def test_the_daemon_posts_the_message_of_a_scheduled_run_at_once_and_only_once(
    on_stage: Stage, chat: Receiver
) -> None:
    on_stage.write_directory()
    _scheduled("sync")
    assert chat.taken == []
    with instance() as dagster:
        for _ in range(2):
            daemon_looks(dagster, later=timedelta(0))
    assert len(chat.taken) == 1


def test_the_daemon_leaves_a_run_to_its_command_for_half_a_minute(
    on_stage: Stage, chat: Receiver
) -> None:
    chat.manner = "fails"
    on_stage.run("sync")
    chat.manner = "takes"
    with instance() as dagster:
        daemon_looks(dagster, later=timedelta(0))
        assert chat.taken == []
        daemon_looks(dagster, later=timedelta(seconds=31))
    assert len(chat.taken) == 1


def _scheduled(job: JobName) -> str:
    """A run as the daemon starts it for `daily_sync`: not by the command line."""
    prepare_home(Settings.load())
    definition = reconstructable_job(job).get_definition()
    with instance() as dagster:
        result = definition.execute_in_process(
            instance=dagster, tags={"dagster/schedule_name": "daily_sync"}
        )
    assert result.success
    return str(result.run_id)


def test_the_departure_of_the_login_owner_is_reported_once(
    on_stage: Stage, chat: Receiver, alerts: Receiver, look_for_alarms: Looks
) -> None:
    state = on_stage.organisation.snapshot()
    (mine,) = (u for u in state["users"] if u["id"] == state["authorised_user_id"])
    me = {"distinguishedName": "CN=Me,OU=Staff,DC=example,DC=org", "mail": mine["email"]}
    others = on_stage.directory["users"]
    on_stage.directory["users"] = [*others, {**me, "displayName": mine["name"]}]
    on_stage.run("sync")
    look_for_alarms()
    on_stage.directory["users"] = others
    for _ in range(2):
        on_stage.run("plan")
        look_for_alarms()
    assert [post["event"] for post in alerts.taken] == ["run", "owner of the login"]
    assert "the owner of the login has left the directory: person " in chat.texts[-1]
    assert mine["email"] not in chat.texts[-1]
    on_stage.directory["users"] = [*others, {**me, "displayName": mine["name"]}]
    on_stage.run("plan")
    look_for_alarms()
    assert alerts.taken[-1]["title"].startswith("Swit provisioning: over: ")


def test_the_alarms_sensor_keeps_its_watch_and_says_what_it_could_not_do(
    on_stage: Stage, chat: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_stage.run("plan")
    monkeypatch.setenv("SCHEDULE_TIME", f"{datetime.now(UTC) - timedelta(hours=5):%H:%M}")
    long_ago = datetime.now(UTC) - timedelta(hours=40)
    watch = Watch(since=long_ago, up_since=long_ago, seen=datetime.now(UTC) - timedelta(hours=6))
    with instance() as dagster:
        with dg.build_sensor_context(instance=dagster, cursor=watch.cursor()) as context:
            first = alarms.evaluate_tick(context)
        with dg.build_sensor_context(instance=dagster, cursor=first.cursor) as context:
            second = alarms.evaluate_tick(context)
        monkeypatch.setenv("STATE_DATABASE_URL", "sqlite:////proc/nowhere/state.sqlite")
        with dg.build_sensor_context(instance=dagster, cursor=second.cursor) as context:
            third = alarms.evaluate_tick(context)
    assert (first.skip_message, second.skip_message) == ("There are no new problems.",) * 2
    assert "can't be created or written" in (third.skip_message or "")
    assert third.cursor == second.cursor
    (text,) = chat.texts
    assert text.startswith("Swit provisioning: a nightly run was missed: ")


def test_a_run_is_reported_once_even_if_the_state_database_cannot_be_used(
    on_stage: Stage, chat: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_home(Settings.load())
    monkeypatch.setenv("STATE_DATABASE_URL", "sqlite:////proc/nowhere/state.sqlite")
    definition = reconstructable_job("sync").get_definition()
    with instance() as dagster:
        definition.execute_in_process(instance=dagster, raise_on_error=False)
        for _ in range(2):
            daemon_looks(dagster)
    assert on_stage.writes == []
    (text,) = chat.texts
    assert "FAILED" in text.splitlines()[0]
    assert "The state database" in text


def test_an_unusable_setting_is_reported(
    on_stage: Stage, chat: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the schedule meets it: nobody sits before it."""
    prepare_home(Settings.load())
    definition = reconstructable_job("sync").get_definition()
    with instance() as dagster:
        monkeypatch.setenv("LDAP_TLS", "ssl")
        definition.execute_in_process(instance=dagster, raise_on_error=False)
        daemon_looks(dagster)
    assert on_stage.writes == []
    (text,) = chat.texts
    assert "LDAP_TLS: Input should be 'ldaps', 'starttls' or 'none'" in text


def test_a_canceled_run_is_reported(on_stage: Stage, chat: Receiver) -> None:
    prepare_home(Settings.load())
    definition = reconstructable_job("sync").get_definition()
    with instance() as dagster:
        run = dagster.create_run_for_job(job_def=definition)
        dagster.report_run_canceled(run)
        daemon_looks(dagster)
    assert on_stage.writes == []
    (text,) = chat.texts
    assert text.splitlines()[0].endswith(": CANCELED")


def test_a_run_that_only_reads_is_not_reported(on_stage: Stage, chat: Receiver) -> None:
    """Assets that somebody launched by hand, and who sees what came of it."""
    on_stage.write_directory()
    prepare_home(Settings.load())
    with instance() as dagster:
        job = defs().resolve_implicit_global_asset_job_def()
        read = [dg.AssetKey(name) for name in ("swit_users", "swit_teams", "swit_memberships")]
        job.execute_in_process(instance=dagster, asset_selection=read)
        daemon_looks(dagster)
    assert chat.taken == []


def test_a_run_of_another_project_is_not_reported(on_stage: Stage, chat: Receiver) -> None:
    """Projects may share Dagster's storage."""
    prepare_home(Settings.load())

    @dg.job
    def theirs() -> None:
        pass

    with instance() as dagster:
        for tags in ({}, {"dagster/code_location": "another_project"}):
            theirs.execute_in_process(
                instance=dagster, tags={"dagster/schedule_name": "theirs", **tags}
            )
        daemon_looks(dagster)
    assert on_stage.writes == []
    assert chat.taken == []
