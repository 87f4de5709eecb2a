"""The error of each answer: class, message, status, and no secrets."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import responses

from swit_provisioning.swit.answers import retry_after
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import (
    SwitError,
    SwitNotFoundError,
    SwitRejectedError,
    SwitThrottledError,
    SwitUnauthorizedError,
    SwitUnavailableError,
)
from swit_provisioning.swit.http import HttpAnswer
from swit_provisioning_tests.swit.fakes import API, Rig

URL = f"{API}/team.create"


def refusal(client: SwitClient) -> SwitError:
    """The error of a creation, which is sent once."""
    with pytest.raises(SwitError) as caught:
        client.create_team(name="Design", parent_id="t0")
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SwitRejectedError),
        (401, SwitUnauthorizedError),
        (403, SwitRejectedError),
        (404, SwitNotFoundError),
        (405, SwitRejectedError),
        (408, SwitUnavailableError),
        (409, SwitRejectedError),
        (422, SwitRejectedError),
        (429, SwitThrottledError),
        (500, SwitUnavailableError),
        (502, SwitUnavailableError),
        (503, SwitUnavailableError),
        (504, SwitUnavailableError),
        (302, SwitUnavailableError),
    ],
)
def test_each_status_raises_its_error(
    status: int, kind: type[SwitError], client: SwitClient, web: responses.RequestsMock
) -> None:
    web.post(URL, status=status, json={"message": "Because"})
    error = refusal(client)
    assert type(error) is kind
    assert error.status == status
    assert error.call == "team.create"
    assert str(error).startswith(f"team.create: HTTP {status}: ")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, SwitRejectedError),
        (401, SwitUnauthorizedError),
        (404, SwitNotFoundError),
        (429, SwitThrottledError),
        (500, SwitUnavailableError),
        (40013, SwitRejectedError),
        (0, SwitRejectedError),
        (-1, SwitRejectedError),
        ("403", SwitRejectedError),
    ],
)
def test_a_code_other_than_200_in_a_200_is_an_error(
    code: int | str, kind: type[SwitError], client: SwitClient, web: responses.RequestsMock
) -> None:
    body = {"code": code, "message": "Because", "data": {"id": "t9", "name": "Design"}}
    web.post(URL, json=body)
    error = refusal(client)
    assert type(error) is kind
    assert error.status == 200
    assert f"code {code}: Because" in str(error)


@pytest.mark.parametrize("code", [200, "200", None, True, "OK", 200.0, {}])
def test_other_codes_in_a_200_are_ignored(
    code: object, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.post(URL, json={"code": code, "data": {"id": "t9"}})
    assert client.create_team(name="Design", parent_id="t0").team_id == "t9"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "Name taken", "error": {"message": "no"}}, "Name taken"),
        ({"code": 400, "error": {"code": 1, "message": "Name taken"}}, "Name taken"),
        ({"error": "bad", "error_description": "Name taken"}, "Name taken"),
        ({"error": "Name taken"}, "Name taken"),
        ({"status": "400", "detail": "Name taken"}, "Name taken"),
        ({"message": "", "error": "Name taken"}, "Name taken"),
        ({"message": None, "reason": "Name taken"}, '"reason": "Name taken"'),
        ({"message": {"text": "Name taken"}}, "Name taken"),
        ({"message": "Name\n\n taken\x07"}, "Name taken"),
        (["Name taken"], '["Name taken"]'),
        ({}, "{}"),
    ],
)
def test_the_message_of_swit_is_found_in_all_forms(
    body: object, words: str, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.post(URL, status=400, json=body)
    error = refusal(client)
    assert words in error.message
    assert error.message in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("404 page not found", "404 page not found"),
        ("<html><style>p {}</style><h1>Bad</h1>\n<p>gateway</p></html>", "Bad gateway"),
        ("", "no reason given"),
        ("\xff\xfe garbage", "garbage"),
        ("{'message': broken", "{'message': broken"),
    ],
)
def test_a_body_that_is_not_json_is_quoted_without_markup(
    text: str, words: str, client: SwitClient, web: responses.RequestsMock
) -> None:
    web.post(URL, status=400, body=text.encode("latin-1"))
    assert words in refusal(client).message


def test_long_messages_are_shortened(client: SwitClient, web: responses.RequestsMock) -> None:
    web.post(URL, status=400, json={"message": "long " * 5_000})
    error = refusal(client)
    assert len(error.message) < 310
    assert error.message.endswith("...")


@pytest.mark.parametrize("key", ["message", "reason"])
def test_a_token_in_the_answer_is_not_in_the_error(
    key: str, rig: Rig, web: responses.RequestsMock
) -> None:
    rig.tokens.tokens = ["s3cr3t-t0ken"]
    web.post(URL, status=403, json={key: "Bearer s3cr3t-t0ken has no scope admin:write"})
    error = refusal(rig.client())
    assert "s3cr3t" not in f"{error} {error!r} {error.message}"
    assert "Bearer *** has no scope" in error.message


@pytest.mark.parametrize(
    "body",
    [
        "<html>Please log in to the guest network</html>",
        '{"data": {"id": "t9", "na',
        "[]",
        '"fine"',
        "null",
        "[" * 100_000,
        "\x00\x01\x02",
    ],
)
def test_a_success_status_with_an_unreadable_body_is_an_error(
    body: str, client: SwitClient, web: responses.RequestsMock
) -> None:
    """A proxy's login page, or an incomplete answer. It may contain names, so it is not quoted."""
    web.post(URL, body=body, content_type="text/html; charset=utf-8")
    error = refusal(client)
    assert type(error) is SwitUnavailableError
    assert error.status == 200
    assert f"not a complete JSON object (text/html, {len(body)} bytes)" in error.message


def test_a_body_may_begin_with_a_byte_order_mark(
    client: SwitClient, web: responses.RequestsMock
) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"data": {"id": "t9", "name": "팀"}}).encode()
    web.post(URL, body=body)
    assert client.create_team(name="팀", parent_id="t0").name == "팀"


def answered(**headers: str) -> HttpAnswer:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return HttpAnswer(status_code=429, headers=named, content=b"")


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": " 1.5 "}, 1.5),
        ({"Retry_After": "0"}, 0.0),
        ({"Retry_After": "-3"}, 0.0),
        ({"Retry_After": "nan"}, None),
        ({"Retry_After": "inf"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": ""}, None),
        (
            {
                "Retry_After": format_datetime(NOON + timedelta(seconds=9), usegmt=True),
                "Date": format_datetime(NOON, usegmt=True),
            },
            9.0,
        ),
        (
            {
                "Retry_After": format_datetime(NOON - timedelta(hours=1), usegmt=True),
                "Date": format_datetime(NOON, usegmt=True),
            },
            0.0,
        ),
        ({"Retry_After": "Sun, 99 Mar 2026 12:00:00 GMT", "Date": "yesterday"}, None),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    """A date is compared with the `Date` of the answer, because the local clock may be wrong."""
    assert retry_after(answered(**headers)) == seconds


def test_a_retry_date_without_a_date_header_is_compared_with_the_local_clock() -> None:
    later = format_datetime(datetime.fromtimestamp(time.time() + 60, UTC), usegmt=True)
    seconds = retry_after(answered(Retry_After=later))
    assert seconds is not None
    assert 55 < seconds <= 60


def test_each_error_ends_with_a_remedy() -> None:
    made: list[Any] = [
        SwitThrottledError(call="team.create", message="Too many", status=429, retry_after=3),
        SwitUnauthorizedError(call="team.create", message="Expired."),
    ]
    assert [str(error) for error in made] == [
        "team.create: HTTP 429: Too many. Try again later, or lower SWIT_REQUESTS_PER_SECOND.",
        "team.create: Expired. Log in again: swit-provisioning login.",
    ]
    assert made[0].retry_after == 3


@pytest.mark.parametrize(
    "body",
    [
        '{"data": ' * 100_000 + "1" + "}" * 100_000,
        "[" * 200_000,
        '{"code": "' + "9" * 5000 + '", "message": "no"}',
        '{"code": ' + "9" * 5000 + ', "message": "no"}',
        '{"code": ' + "9" * 4000 + ', "message": "no"}',
        '{"code": 200, "data": {"team_id": ' + "9" * 5000 + "}}",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 503])
def test_any_body_leads_to_one_short_error(
    client: SwitClient, web: responses.RequestsMock, body: str, status: int
) -> None:
    web.post(URL, status=status, body=body)
    assert len(str(refusal(client))) < 700
