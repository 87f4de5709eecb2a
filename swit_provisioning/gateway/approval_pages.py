"""The page of a plan, `/plans/PLAN_ID`, where a person approves or rejects it.

A plan names people, so the page is shown only to a person whom the proxy's sign-on names or who
gives `APPROVAL_KEY`. A decision counts only if it comes from a form of this gateway, from the same
browser and person, once, soon, and while the plan is in the state that the person saw.
"""

import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from swit_provisioning.apply.approvals import PENDING, WITH_KEY, PlanJudge, PlanState
from swit_provisioning.apply.run_model import RefusedError
from swit_provisioning.gateway.access import (
    MAX_NAME_LENGTH,
    KeyCheck,
    client_address,
    form_fields,
    forwarded_approver,
    usable_key,
)
from swit_provisioning.gateway.login_pages import page
from swit_provisioning.operations.plan_page import page_facts
from swit_provisioning.operations.services import open_store, plan_judge
from swit_provisioning.planning.guards import NEVER_LIFTED
from swit_provisioning.report.page import (
    MOST_REASON_CHARACTERS,
    DecisionForm,
    content_policy,
    plan_page,
)
from swit_provisioning.report.redaction import stored_without_people
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.state.store import Store
from swit_provisioning.state.stored_plans import StoredPlan

SESSION_SECONDS: Final = 1800
FORM_SECONDS: Final = 900
COOKIE: Final = "swit_provisioning_approver"

_MAX_SESSIONS: Final = 1000
_RANDOM_BYTES: Final = 32
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HEADERS: Final = {
    # With `no-referrer`, a browser would send `Origin: null` with the forms.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_OLD_FORM: Final = (
    "The form was used before or is too old, or the plan or its state has changed since the page"
    " was opened. Read the page again, and decide again."
)
_KEY_FORM: Final = """<form method="post">
<label for="name">Your name, which is recorded with your decision</label>
<input id="name" name="name" autocomplete="name" maxlength="{most}" value="{name}" required>
<label for="key">APPROVAL_KEY</label>
<input id="key" name="key" type="password" autocomplete="off" required>
<button>Show the plan</button></form>"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Approver:
    """The person who looks at a page, and the session of the browser."""

    name: str
    session: str


class ApproverSessions:
    """Browsers in which a person has given the key and a name, by the session in their cookie."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty; `clock` returns seconds."""
        self._clock = clock
        self._names: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def add(self, name: str) -> str:
        """Begin a session of half an hour. The oldest of too many ends."""
        session = secrets.token_urlsafe(_RANDOM_BYTES)
        self._names[session] = (self._clock() + SESSION_SECONDS, name)
        if len(self._names) > _MAX_SESSIONS:
            self._names.popitem(last=False)
        return session

    def name(self, session: str) -> str | None:
        """The name that was given in a session that has not ended."""
        ends, name = self._names.get(session, (0.0, ""))
        return name if ends > self._clock() else None


class FormTokens:
    """Signed tokens of forms: each is for one person, browser and page, counts once and expires.

    The key is made anew with each start, so no form outlives the gateway. Thread-safe.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Make a key; `clock` returns seconds."""
        self._clock = clock
        self._key = secrets.token_bytes(_RANDOM_BYTES)
        self._lock = threading.Lock()
        self._used: dict[str, float] = {}

    def make(self, approver: Approver, shown: str) -> str:
        """A token for a form on a page that shows `shown`."""
        ends, nonce = f"{self._clock() + FORM_SECONDS:.3f}", secrets.token_urlsafe(_RANDOM_BYTES)
        return ":".join((ends, nonce, self._signature(ends, nonce, approver, shown)))

    def use(self, token: str, approver: Approver, shown: str) -> bool:
        """Whether the token is valid for this person, browser and page; it never is again."""
        ends, _, rest = token.partition(":")
        nonce, _, signature = rest.partition(":")
        expected = self._signature(ends, nonce, approver, shown)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            return False
        now = self._clock()
        with self._lock:
            self._used = {used: end for used, end in self._used.items() if end > now}
            if float(ends) <= now or nonce in self._used:
                return False
            self._used[nonce] = float(ends)
            return True

    def _signature(self, ends: str, nonce: str, approver: Approver, shown: str) -> str:
        signed = json.dumps([ends, nonce, approver.session, approver.name, shown])
        return hmac.new(self._key, signed.encode(), hashlib.sha256).hexdigest()


def digest_of_what_is_shown(stored: StoredPlan, state: PlanState) -> str:
    """The digest of the plan's full SHA-256, its state, and the guards that it does not pass."""
    failed = [
        [result["name"], result["message"], result["blocking"]]
        for result in stored.guard_results
        if not result["passed"]
    ]
    made = stored.created_at.isoformat()
    shown = json.dumps([stored.plan_hash, made, state.name, state.sentences, failed])
    return hashlib.sha256(shown.encode()).hexdigest()


def approval_pages(settings: Settings, *, trusted_proxies: str | None) -> "ApprovalPages | None":
    """The pages; `None` without `APPROVAL_KEY` and `APPROVER_HEADER`.

    `trusted_proxies`: addresses of the proxies in front, separated by commas; `None`: no proxy.

    Raises:
        SettingsError: the settings would let another person decide.

    """
    if settings.approval_key is None and settings.approver_header is None:
        return None
    problems = []
    proxies = trusted_proxies or ""
    if settings.approver_header and not proxies:
        problems.append(
            "APPROVER_HEADER: without a proxy in front, every client could name the approver. Start"
            " the gateway with serve --behind-proxy, or use APPROVAL_KEY"
        )
    if settings.approver_header and ("*" in proxies or "/0" in proxies):
        problems.append(
            f"APPROVER_HEADER: FORWARDED_ALLOW_IPS={proxies} lets every client name the"
            " approver. Name the addresses of the proxies in FORWARDED_ALLOW_IPS"
        )
    if trusted_proxies is not None and settings.gateway_url is None:
        problems.append(
            "GATEWAY_URL is not set, but forms are accepted from this address only; for example"
            " GATEWAY_URL=https://sync.example.com:8443"
        )
    if settings.approval_key and settings.approval_key == settings.operation_auth_key:
        problems.append(
            "APPROVAL_KEY is the key of OPERATION_AUTH_KEY, so every program that may start a run"
            " could approve plans. Use another key"
        )
    if problems:
        raise SettingsError(problems)
    return ApprovalPages(settings, secure=trusted_proxies is not None)


class ApprovalPages:
    """`/plans/PLAN_ID`."""

    def __init__(self, settings: Settings, *, secure: bool) -> None:
        """`secure`: the browser uses TLS, so cookies are for TLS only."""
        self._settings = settings
        self._secure = secure
        self._cookie = f"__Host-{COOKIE}" if secure else COOKIE
        self._origin = _origin_of(settings.gateway_url) if settings.gateway_url else None
        self._keys: KeyCheck | None = None
        if settings.approval_key is not None:
            key = usable_key("APPROVAL_KEY", settings.approval_key)
            self._keys = KeyCheck(key, setting="APPROVAL_KEY")
        self._sessions = ApproverSessions()
        self._tokens = FormTokens()
        # One page at a time: that of a large plan takes much memory.
        self._lock = threading.Lock()

    def routes(self) -> Iterable[Route]:
        """The addresses."""
        address = "/plans/{plan_id}"
        return (
            Route(address, self.show, methods=["GET"]),
            Route(address, self.receive, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        """`GET`: the plan, or the form that asks for key and name."""
        if not self._is_own_host(request):
            return _message("Not shown", [f"Open this page at {self._settings.gateway_url}."], 403)
        approver = self._approver(request)
        if approver is None:
            return self._ask_for_the_key()
        return await run_in_threadpool(self._show, request.path_params["plan_id"], approver)

    async def receive(self, request: Request) -> Response:
        """`POST`: key and name, or a decision."""
        if not (self._is_own_host(request) and self._is_own_origin(request)):
            problem = "The form does not come from a page of this gateway. Nothing was done."
            return _message("Refused", [problem], 403)
        form = await form_fields(request)
        plan_id = request.path_params["plan_id"]
        if "key" in form:
            key = form["key"].encode("utf-8", "replace")
            return self._begin_session(request, plan_id, key, _text(form, "name"))
        approver = self._approver(request)
        if approver is None:
            return self._ask_for_the_key("Your session has ended. Nothing was decided.", status=401)
        return await run_in_threadpool(
            self._decide,
            plan_id,
            approver,
            token=_text(form, "token"),
            decision=_text(form, "decision"),
            reason=_text(form, "reason"),
        )

    def _is_own_host(self, request: Request) -> bool:
        """Whether the browser asked for `GATEWAY_URL`: another site may resolve to this address."""
        if self._origin is None:
            return True
        try:
            host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        except ValueError:
            return False
        return host == urlsplit(self._origin).hostname

    def _is_own_origin(self, request: Request) -> bool:
        # Without `GATEWAY_URL` there is no proxy, and so no TLS.
        own = self._origin or f"http://{request.headers.get('host', '')}"
        return request.headers.get("origin", "") == own

    def _approver(self, request: Request) -> Approver | None:
        session = request.cookies.get(self._cookie, "")
        named = forwarded_approver(request)
        if named is not None:
            return Approver(name=named, session=session or secrets.token_urlsafe(_RANDOM_BYTES))
        given = self._sessions.name(session)
        return None if given is None else Approver(name=given, session=session)

    def _ask_for_the_key(self, problem: str = "", *, name: str = "", status: int = 200) -> Response:
        if self._keys is None:
            words = "The sign-on in front of this gateway named no person (APPROVER_HEADER)."
            return _message("Not shown", [words], 403)
        form = _KEY_FORM.format(most=MAX_NAME_LENGTH, name=escape(name))
        return _message("Show a plan", [problem] if problem else [], status, form=form)

    def _begin_session(self, request: Request, plan_id: str, key: bytes, name: str) -> Response:
        if self._keys is None:
            return self._ask_for_the_key()
        refused = self._keys.refusal(client_address(request), key)
        if refused is not None:
            answer = self._ask_for_the_key(refused.message, name=name, status=refused.status)
            answer.headers.update(refused.headers)
            return answer
        if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
            return self._ask_for_the_key("Give your name.", name=name, status=400)
        answer = _to_the_page(plan_id)
        self._set_cookie(answer, self._sessions.add(f"{name}{WITH_KEY}"))
        return answer

    def _set_cookie(self, answer: Response, session: str) -> None:
        answer.set_cookie(
            self._cookie,
            session,
            max_age=SESSION_SECONDS,
            httponly=True,
            secure=self._secure,
            samesite="strict",
        )

    def _show(self, plan_id: str, approver: Approver) -> Response:
        with self._lock, open_store(self._settings) as store:
            judge = plan_judge(self._settings, store)
            try:
                stored = judge.stored(plan_id)
            except RefusedError as error:
                return _message("No such plan", [str(error)], 404)
            return self._page(store, judge, stored, approver)

    def _decide(
        self, plan_id: str, approver: Approver, *, token: str, decision: str, reason: str
    ) -> Response:
        with self._lock, open_store(self._settings) as store:
            judge = plan_judge(self._settings, store)
            try:
                stored = judge.stored(plan_id)
            except RefusedError as error:
                return _message("No such plan", [str(error)], 404)
            problem, status = "", 400
            if not self._tokens.use(
                token, approver, digest_of_what_is_shown(*judge.current(stored))
            ):
                problem, status = _OLD_FORM, 409
            elif not reason:
                problem = "Give a reason: others read it later."
            elif len(reason) > MOST_REASON_CHARACTERS:
                problem = f"The reason is longer than {MOST_REASON_CHARACTERS:,} characters."
            elif decision not in {"approve", "reject"}:
                problem = "Choose a decision."
            else:
                decide = judge.approve if decision == "approve" else judge.reject
                try:
                    decide(stored.plan_hash, actor=approver.name, reason=reason)
                except RefusedError as error:
                    problem, status = str(error), 409
            if problem:
                answer = self._page(store, judge, stored, approver, problem=problem, reason=reason)
                answer.status_code = status
                return answer
        log.info("The decision about the plan %s in the browser: %s", stored.plan_id, decision)
        return _to_the_page(stored.plan_id)

    def _page(
        self,
        store: Store,
        judge: PlanJudge,
        stored: StoredPlan,
        approver: Approver,
        *,
        problem: str = "",
        reason: str = "",
    ) -> Response:
        stored, state = judge.current(stored)
        hidden = self._settings.names_are_hidden_everywhere
        shown = stored_without_people(stored) if hidden else stored
        failed = {str(r["name"]) for r in stored.guard_results if not r["passed"] and r["blocking"]}
        can_be_lifted = not failed & NEVER_LIFTED
        is_stopped = state.name in {"waiting for approval", "rejected"} or (
            state.name == "begun" and bool(failed)
        )
        form = DecisionForm(
            approver=approver.name,
            plan_hash=stored.plan_hash,
            token=self._tokens.make(approver, digest_of_what_is_shown(stored, state)),
            may_approve=is_stopped and can_be_lifted,
            may_reject=bool(stored.plan.changes) and state.name in PENDING | {"stale"},
            lifts=sorted(failed),
            problem=problem,
            reason=reason,
        )
        facts = page_facts(self._settings, store, shown, state, no_names=hidden)
        answer = HTMLResponse(plan_page(shown.plan, facts, form), headers=_HEADERS)
        policy = f"{content_policy(forms=True)}; frame-ancestors 'none'"
        answer.headers["Content-Security-Policy"] = policy
        self._set_cookie(answer, approver.session)
        return answer


def _text(form: dict[str, str], name: str) -> str:
    """A field of a form in one line."""
    return " ".join(form.get(name, "").split())


def _to_the_page(plan_id: str) -> Response:
    """Send the browser to the plan's page, relative to this one: a proxy may add a path."""
    return RedirectResponse(f"./{quote(plan_id, safe='')}", status_code=303, headers=_HEADERS)


def _message(title: str, problems: Iterable[str], status: int, *, form: str = "") -> Response:
    answer = page(title, warnings=problems, form=form, status=status)
    answer.headers.update(_HEADERS)
    answer.headers["Content-Security-Policy"] += "; form-action 'self'"
    return answer


def _origin_of(url: str) -> str:
    """The origin of an address as browsers write it: without the scheme's own port."""
    parts = urlsplit(url.lower())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    is_default = parts.port in {None, _DEFAULT_PORTS[parts.scheme]}
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{parts.port}")
