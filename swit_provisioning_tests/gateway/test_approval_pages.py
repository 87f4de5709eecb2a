"""Approvals in the browser, over HTTP: who may decide, about what, and which forms are refused."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from swit_provisioning.gateway.approval_pages import (
    FORM_SECONDS,
    SESSION_SECONDS,
    Approver,
    ApproverSessions,
    FormTokens,
    approval_pages,
)
from swit_provisioning.operations.services import open_store
from swit_provisioning.planning.model import PlanHash, shown_id
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning_tests.apply.changes import ACTIVE_USERS, departures
from swit_provisioning_tests.gateway.approval_site import (
    APPROVAL_KEY,
    ApprovalSite,
    Person,
    approval_site,
    token_in,
)
from swit_provisioning_tests.integration.gateway_process import KEY

GUARD: Final = "deactivations_within_limit"
_THREE: Final = itertools.combinations(range(ACTIVE_USERS), 3)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApprovalSite]:
    with approval_site(tmp_path_factory.mktemp("approvals")) as running:
        yield running


@pytest.fixture
def plan_hash(site: ApprovalSite) -> PlanHash:
    """A plan that no other test has, and that waits for an approval."""
    return site.make(departures(*next(_THREE)))


def test_an_approval_in_the_browser_lifts_the_limits_and_is_recorded(
    site: ApprovalSite, plan_hash: PlanHash
) -> None:
    ann = site.approver("Ann Kim")
    page = ann.ask(f"/plans/{shown_id(plan_hash)}").text
    assert plan_hash in page
    assert "Waiting for an approval." in page
    assert "deactivations within limit" in page
    assert "@example.com" in page
    answer = ann.decide(plan_hash, ann.form_token(plan_hash))
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"./{shown_id(plan_hash)}"
    approval = site.approval(plan_hash)
    assert approval is not None
    assert approval.actor == "Ann Kim (with APPROVAL_KEY)"
    assert approval.reason == "the Busan office was sold"
    assert approval.guards == (GUARD,)
    after = ann.ask(f"/plans/{plan_hash}").text
    assert "Approved by Ann Kim (with APPROVAL_KEY) on" in after
    assert "the Busan office was sold" in after
    assert 'value="approve"' not in after
    assert 'value="reject"' in after


def test_names_and_reasons_are_in_any_language(site: ApprovalSite, plan_hash: PlanHash) -> None:
    ann = site.approver("김안나")
    answer = ann.decide(
        plan_hash, ann.form_token(plan_hash), reason="부산 사무소 매각 & 이전 = 100%"
    )
    assert answer.status_code == 303
    approval = site.approval(plan_hash)
    assert approval is not None
    assert approval.actor == "김안나 (with APPROVAL_KEY)"
    assert approval.reason == "부산 사무소 매각 & 이전 = 100%"


def test_a_rejection_in_the_browser_forbids_the_plan_until_it_is_approved(
    site: ApprovalSite, plan_hash: PlanHash
) -> None:
    ann = site.approver()
    token = ann.form_token(plan_hash)
    assert ann.decide(plan_hash, token, "reject", reason="a wrong filter").status_code == 303
    rejection = site.rejection(plan_hash)
    assert rejection is not None
    assert (rejection.actor, rejection.reason) == (
        "Ann Kim (with APPROVAL_KEY)",
        "a wrong filter",
    )
    assert "Rejected by Ann Kim" in ann.ask(f"/plans/{plan_hash}").text
    assert ann.decide(plan_hash, ann.form_token(plan_hash)).status_code == 303
    assert site.rejection(plan_hash) is None
    assert site.approval(plan_hash) is not None


@pytest.mark.parametrize("reason", ["", " \r\n\t ", "x" * 1001])
def test_a_reason_is_required(site: ApprovalSite, plan_hash: PlanHash, reason: str) -> None:
    ann = site.approver()
    answer = ann.decide(plan_hash, ann.form_token(plan_hash), reason=reason)
    assert answer.status_code == 400
    assert "Nothing was decided." in answer.text
    assert site.approval(plan_hash) is None
    assert ann.decide(plan_hash, token_in(answer)).status_code == 303


def test_a_form_counts_once(site: ApprovalSite, plan_hash: PlanHash) -> None:
    ann = site.approver()
    token = ann.form_token(plan_hash)
    assert ann.decide(plan_hash, token).status_code == 303
    with open_store(site.settings) as store:
        store.approvals.spend(plan_hash)
    answer = ann.decide(plan_hash, token)
    assert answer.status_code == 409
    assert "The form was used before" in answer.text
    assert site.approval(plan_hash) is None


def test_a_form_is_for_one_plan(site: ApprovalSite, plan_hash: PlanHash) -> None:
    ann = site.approver()
    token = ann.form_token(plan_hash)
    other = site.make(departures(*range(ACTIVE_USERS)))
    assert ann.decide(other, token).status_code == 409
    assert site.approval(other) is None


def test_a_form_is_for_one_browser(site: ApprovalSite, plan_hash: PlanHash) -> None:
    """Also if both people give the same name."""
    ann, eve = site.approver("Ann Kim"), site.approver("Ann Kim")
    assert ann.decide(plan_hash, eve.form_token(plan_hash)).status_code == 409
    assert site.approval(plan_hash) is None


def _without_its_end(token: str) -> str:
    return token[:-1]


def _that_lasts_longer(token: str) -> str:
    ends, _, rest = token.partition(":")
    return f"{float(ends) + 1e6:.3f}:{rest}"


@pytest.mark.parametrize(
    "forge", [_without_its_end, _that_lasts_longer, lambda _: "", lambda _: "::", lambda _: "ü:1:ü"]
)
def test_a_form_that_was_changed_is_refused(
    site: ApprovalSite, plan_hash: PlanHash, forge: Callable[[str], str]
) -> None:
    ann = site.approver()
    assert ann.decide(plan_hash, forge(ann.form_token(plan_hash))).status_code == 409
    assert site.approval(plan_hash) is None


def test_a_form_is_for_the_state_that_the_person_saw(
    site: ApprovalSite, plan_hash: PlanHash
) -> None:
    """An approval lifts a rejection: not one that came while the approver read the page."""
    ann, bob = site.approver("Ann Kim"), site.approver("Bob Lee")
    token = ann.form_token(plan_hash)
    assert bob.decide(plan_hash, bob.form_token(plan_hash), "reject").status_code == 303
    answer = ann.decide(plan_hash, token)
    assert answer.status_code == 409
    assert "Rejected by Bob Lee" in answer.text
    assert site.rejection(plan_hash) is not None


def test_an_approval_is_for_the_guards_that_the_person_saw(
    site: ApprovalSite, plan_hash: PlanHash
) -> None:
    """The same changes may break more limits when a later read plans them again."""
    ann = site.approver()
    token = ann.form_token(plan_hash)
    with open_store(site.settings) as store:
        stored = store.plans.get(plan_hash)
    assert stored is not None
    fewer = replace(stored.plan.baselines, active_users_that_may_go=ACTIVE_USERS // 2)
    assert site.make(replace(stored.plan, baselines=fewer)) == plan_hash
    assert ann.decide(plan_hash, token).status_code == 409
    assert site.approval(plan_hash) is None


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "null"}, {"Origin": "https://evil.example"}, {"Origin": ""}]
)
def test_a_form_of_another_site_is_refused(
    site: ApprovalSite, plan_hash: PlanHash, headers: dict[str, str]
) -> None:
    ann = site.approver()
    token = ann.form_token(plan_hash)
    assert ann.decide(plan_hash, token, headers=headers).status_code == 403
    assert site.approval(plan_hash) is None
    form = {"key": APPROVAL_KEY, "name": "Eve"}
    answer = site.somebody().ask(f"/plans/{plan_hash}", "POST", data=form, headers=headers)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)


def test_without_the_key_nothing_of_a_plan_is_shown_or_decided(
    site: ApprovalSite, plan_hash: PlanHash
) -> None:
    ann, eve = site.approver(), site.somebody()
    known, unknown = (eve.ask(f"/plans/{plan_id}") for plan_id in (plan_hash, "0123"))
    assert (known.status_code, known.text) == (200, unknown.text)
    assert "@example.com" not in known.text
    assert eve.decide(plan_hash, ann.form_token(plan_hash)).status_code == 401
    for key in ("", "wrong", KEY):
        answer = eve.give_key(plan_hash, key)
        assert answer.status_code == 401
        assert "not APPROVAL_KEY" in answer.text
        assert "Set-Cookie" not in answer.headers
    assert site.approval(plan_hash) is None


def test_the_key_of_the_approvers_starts_no_run(site: ApprovalSite) -> None:
    headers = {"x-secret-key": APPROVAL_KEY}
    answer = site.somebody("127.0.0.8").ask("/user_update", "POST", headers=headers)
    assert answer.status_code == 401


def test_wrong_keys_are_limited(site: ApprovalSite) -> None:
    eve = site.somebody("127.0.0.9")
    answers = [eve.give_key("x", "wrong") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert eve.give_key("x", APPROVAL_KEY).status_code == 429
    assert site.somebody().give_key("x", APPROVAL_KEY).status_code == 303


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "Ann\x00Kim", "Ann\u202eKim"])
def test_a_name_is_required(site: ApprovalSite, name: str) -> None:
    answer = site.somebody().give_key("x", APPROVAL_KEY, name)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (400, False)


def test_a_name_is_shown_as_text(site: ApprovalSite, plan_hash: PlanHash) -> None:
    name = '"><script>alert(1)</script>'
    page = site.approver(name).ask(f"/plans/{plan_hash}").text
    assert "<script>alert" not in page
    assert "<script>alert" not in site.somebody().give_key("x", "wrong", name).text


def test_no_other_page_may_frame_or_keep_the_pages(site: ApprovalSite, plan_hash: PlanHash) -> None:
    for person in (site.somebody(), site.approver()):
        answer = person.ask(f"/plans/{plan_hash}")
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "form-action 'self'" in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        # With `no-referrer`, browsers would send `Origin: null`.
        assert answer.headers["Referrer-Policy"] == "same-origin"


def test_the_cookie_is_for_this_site_and_no_script(site: ApprovalSite) -> None:
    (cookie,) = iter(site.approver().cookies)
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert str(cookie.get_nonstandard_attr("SameSite")).lower() == "strict"


def test_an_unknown_plan_is_not_found(site: ApprovalSite, plan_hash: PlanHash) -> None:
    ann = site.approver()
    for plan_id in ("0123456789ab" * 2, "..", "%3Cscript%3E", plan_hash[:-1] + "!"):
        answer = ann.ask(f"/plans/{plan_id}")
        assert answer.status_code == 404
        assert "<script>" not in answer.text


def test_a_plan_that_needs_no_approval_can_only_be_rejected(site: ApprovalSite) -> None:
    plan_hash = site.make(departures(3))
    ann = site.approver()
    page = ann.ask(f"/plans/{plan_hash}").text
    assert 'value="approve"' not in page
    assert 'value="reject"' in page


def test_a_plan_of_a_bad_read_cannot_be_approved(site: ApprovalSite) -> None:
    plan = departures(4, 5, 6, 7)
    empty = replace(plan.baselines, directory={"OU=A": {"users": 0, "groups": 0}})
    plan_hash = site.make(replace(plan, baselines=empty))
    ann = site.approver()
    token = ann.form_token(plan_hash)
    assert 'value="approve"' not in ann.ask(f"/plans/{plan_hash}").text
    answer = ann.decide(plan_hash, token)
    assert answer.status_code == 409
    assert "no approval lifts this" in answer.text
    assert site.approval(plan_hash) is None


def test_a_person_named_by_the_sign_on_of_a_trusted_proxy_decides(tmp_path: Path) -> None:
    url = "https://sync.example.com:8443"
    more = {"APPROVER_HEADER": "X-Approver", "GATEWAY_URL": url, "APPROVAL_KEY": ""}
    with approval_site(tmp_path, behind_proxy=True, **more) as site:
        plan_hash = site.make(departures(1, 2, 3))
        own = {"Host": "sync.example.com", "Origin": url}
        ann = {**own, "X-Approver": "ann@example.com"}
        proxy, stranger = site.somebody(), site.somebody("127.0.0.2")
        page = proxy.ask(f"/plans/{plan_hash}", headers=ann)
        assert page.status_code == 200
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        assert cookie.startswith("__Host-")
        assert "Secure" in page.headers["Set-Cookie"]
        token = token_in(page)

        def decide(person: Person, **headers: str) -> int:
            given = {**ann, "Cookie": cookie, **headers}
            return person.decide(plan_hash, token, headers=given).status_code

        assert stranger.ask(f"/plans/{plan_hash}", headers=ann).status_code == 403
        assert proxy.ask(f"/plans/{plan_hash}", headers=own).status_code == 403
        foreign = {**ann, "Host": "evil.example"}
        assert proxy.ask(f"/plans/{plan_hash}", headers=foreign).status_code == 403
        assert decide(stranger) == 403
        assert decide(proxy, Host="evil.example", Origin="https://evil.example:8443") == 403
        assert decide(proxy, Origin="https://sync.example.com") == 403
        assert decide(proxy, **{"X-Approver": "bob@example.com"}) == 409
        assert decide(proxy, Cookie="") == 409
        assert site.approval(plan_hash) is None
        assert decide(proxy) == 303
        approval = site.approval(plan_hash)
        assert approval is not None
        assert approval.actor == "ann@example.com"


def test_a_header_that_the_client_sent_beside_that_of_the_proxy_names_nobody(
    tmp_path: Path,
) -> None:
    more = {"APPROVER_HEADER": "X-Approver", "GATEWAY_URL": "https://sync.example.com"}
    with approval_site(tmp_path, behind_proxy=True, APPROVAL_KEY="", **more) as site:
        plan_hash = site.make(departures(1, 2, 3))
        for names, status in ((["ann"], 200), (["boss", "ann"], 403)):
            connection = HTTPConnection(urlsplit(site.url).netloc, timeout=30)
            connection.putrequest("GET", f"/plans/{plan_hash}", skip_host=True)
            connection.putheader("Host", "sync.example.com")
            for name in names:
                connection.putheader("X-Approver", name)
            connection.endheaders()
            with connection.getresponse() as answer:
                assert answer.status == status
            connection.close()


def test_names_are_hidden_where_the_settings_say_so(tmp_path: Path) -> None:
    with approval_site(tmp_path, HIDE_NAMES="everywhere") as site:
        plan_hash = site.make(departures(1, 2, 3))
        ann = site.approver()
        page = ann.ask(f"/plans/{plan_hash}").text
        assert "someone1@example.com" not in page
        assert ann.decide(plan_hash, ann.form_token(plan_hash)).status_code == 303


def test_without_a_key_and_a_header_there_are_no_pages(tmp_path: Path) -> None:
    with approval_site(tmp_path, APPROVAL_KEY="") as site:
        plan_hash = site.make(departures(1, 2, 3))
        eve = site.somebody()
        assert eve.ask(f"/plans/{plan_hash}").status_code == 404
        assert eve.give_key(plan_hash, APPROVAL_KEY).status_code == 404


@pytest.mark.parametrize(
    ("variables", "proxies", "said"),
    [
        ({"APPROVAL_KEY": "1234"}, None, "APPROVAL_KEY has 4 characters"),
        ({"APPROVAL_KEY": KEY, "OPERATION_AUTH_KEY": KEY}, None, "Use another key"),
        ({"APPROVER_HEADER": "X-Approver"}, None, "serve --behind-proxy"),
        ({"APPROVER_HEADER": "X-Approver"}, "", "serve --behind-proxy"),
        ({"APPROVER_HEADER": "X-Approver"}, "127.0.0.1", "GATEWAY_URL is not set"),
        ({"APPROVER_HEADER": "X-Approver"}, "*", "FORWARDED_ALLOW_IPS=*"),
        ({"APPROVER_HEADER": "X-Approver"}, "0.0.0.0/0", "FORWARDED_ALLOW_IPS=0.0.0.0/0"),
        ({"APPROVAL_KEY": APPROVAL_KEY}, "127.0.0.1", "GATEWAY_URL is not set"),
        ({"APPROVER_HEADER": "X Approver"}, "127.0.0.1", "is not the name of an HTTP header"),
    ],
)
def test_settings_that_would_let_others_decide_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxies: str | None, said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        approval_pages(Settings.load(), trusted_proxies=proxies)
    assert said in str(raised.value)
    assert KEY not in str(raised.value)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_form_expires() -> None:
    clock = Clock()
    tokens, ann = FormTokens(clock=clock), Approver(name="Ann", session="S")
    early, late = (tokens.make(ann, "shown") for _ in range(2))
    clock.seconds += FORM_SECONDS - 1
    assert tokens.use(early, ann, "shown")
    clock.seconds += 2
    assert not tokens.use(late, ann, "shown")
    assert not tokens.use(early, ann, "shown")


def test_a_form_of_another_gateway_is_refused() -> None:
    ann = Approver(name="Ann", session="S")
    assert not FormTokens().use(FormTokens().make(ann, "shown"), ann, "shown")


def test_a_session_ends_after_half_an_hour() -> None:
    clock = Clock()
    sessions = ApproverSessions(clock=clock)
    session = sessions.add("Ann")
    clock.seconds += SESSION_SECONDS - 1
    assert sessions.name(session) == "Ann"
    clock.seconds += 2
    assert sessions.name(session) is None
    assert sessions.name("") is None
