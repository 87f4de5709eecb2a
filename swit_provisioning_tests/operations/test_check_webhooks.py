"""`check` names the channels of messages, and sends one on demand; no address is shown."""

import pytest

from swit_provisioning_tests.integration.stage import Stage
from swit_provisioning_tests.receiver import Receiver


def test_check_names_the_channels_without_their_addresses(
    on_stage: Stage, chat: Receiver, alerts: Receiver
) -> None:
    result = on_stage.run("check")
    assert result.exit_code == 0
    assert "SWIT_WEBHOOK_URL (127.0.0.1) and ALERT_WEBHOOK_URL (127.0.0.1)" in result.output
    assert "with codes instead of people" in result.output
    assert "Warning: SWIT_WEBHOOK_URL starts with http" in result.output
    for receiver in (chat, alerts):
        assert receiver.path not in result.output
        assert receiver.bodies == []


def test_check_sends_a_message_on_demand(on_stage: Stage, chat: Receiver, alerts: Receiver) -> None:
    for _ in range(2):
        result = on_stage.run("check", "--message")
        assert (result.exit_code, "sent to 2 webhook" in result.output) == (0, True)
    assert len(chat.taken) == 2, "each time that somebody asks"
    assert alerts.taken[0]["event"] == "test"


def test_check_reports_a_message_that_did_not_arrive(on_stage: Stage, alerts: Receiver) -> None:
    alerts.manner = "refuses"
    result = on_stage.run("check", "--message")
    assert result.exit_code == 1
    assert "ALERT_WEBHOOK_URL (127.0.0.1): HTTP 404" in result.stderr


@pytest.mark.parametrize("name", ["SWIT_WEBHOOK_URL", "ALERT_WEBHOOK_URL"])
@pytest.mark.parametrize(
    "value", ["hook.swit.io/chat/mark-5e1f", "ftp://x/mark-5e1f", "https:///mark-5e1f"]
)
def test_an_invalid_address_is_reported_without_showing_it(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    result = on_stage.run("check")
    assert result.exit_code == 2
    assert f"{name}: it is not an address; for example https://" in result.stderr
    assert "mark-5e1f" not in result.output
