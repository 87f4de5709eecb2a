"""A gateway in this process that takes approvals, and people who decide about its plans."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Final

import pytest
import requests
import uvicorn

from swit_provisioning.gateway.serve import Gateway, listen
from swit_provisioning.operations.services import open_store, plan_judge
from swit_provisioning.planning.model import Plan, PlanHash
from swit_provisioning.settings import Settings
from swit_provisioning.state.plan_approvals import Approval, Rejection
from swit_provisioning_tests.integration.gateway_process import KEY, Client

APPROVAL_KEY: Final = "key-of-the-approvers-77d0"
_TOKEN: Final = re.compile(r'name="token" value="([^"]*)"')


class ApprovalSite:
    """The gateway's address and its state."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.settings = settings
        self.url = url

    def make(self, plan: Plan) -> PlanHash:
        """Store a plan as a run does."""
        with open_store(self.settings) as store:
            judged = plan_judge(self.settings, store).judge(plan)
            results = [result.document() for result in judged]
            store.plans.save(plan, run_id="R", guard_results=results)
        return plan.plan_hash

    def approval(self, plan_hash: PlanHash) -> Approval | None:
        with open_store(self.settings) as store:
            return store.approvals.of(plan_hash)

    def rejection(self, plan_hash: PlanHash) -> Rejection | None:
        with open_store(self.settings) as store:
            return store.rejections.of(plan_hash)

    def somebody(self, address: str = "127.0.0.1") -> "Person":
        """Somebody who has shown nothing yet."""
        return Person(self.url, address)

    def approver(self, name: str = "Ann Kim") -> "Person":
        """Somebody who has given the key."""
        person = self.somebody()
        answer = person.give_key("x", APPROVAL_KEY, name)
        assert answer.status_code == 303, answer.text
        return person


class Person(Client):
    """A browser without script."""

    def __init__(self, url: str, address: str = "127.0.0.1") -> None:
        super().__init__(url, address, key=None)
        self.own_origin = {"Origin": url}

    def give_key(self, plan_id: str, key: str, name: str = "Ann Kim") -> requests.Response:
        form = {"key": key, "name": name}
        return self.ask(f"/plans/{plan_id}", "POST", data=form, headers=self.own_origin)

    def form_token(self, plan_id: str) -> str:
        """The token of the form on the plan's page, as it is now."""
        answer = self.ask(f"/plans/{plan_id}")
        assert answer.status_code == 200, answer.text
        return token_in(answer)

    def decide(
        self,
        plan_id: str,
        token: str,
        decision: str = "approve",
        *,
        reason: str = "the Busan office was sold",
        headers: dict[str, str] | None = None,
    ) -> requests.Response:
        form = {"token": token, "decision": decision, "reason": reason}
        given = self.own_origin if headers is None else headers
        return self.ask(f"/plans/{plan_id}", "POST", data=form, headers=given)


def token_in(answer: requests.Response) -> str:
    """The token of the form on a page."""
    found = _TOKEN.search(answer.text)
    assert found is not None, answer.text
    return unescape(found[1])


@contextmanager
def approval_site(
    folder: Path, *, behind_proxy: bool = False, **more: str
) -> Iterator[ApprovalSite]:
    """A gateway with `APPROVAL_KEY`, on a state of its own, while a `with` block lasts."""
    (socket,) = listen("127.0.0.1", 0)
    port = socket.getsockname()[1]
    variables = {
        "DAGSTER_HOME": str(folder / "home"),
        "OPERATION_AUTH_KEY": KEY,
        "APPROVAL_KEY": APPROVAL_KEY,
        "FIRST_SYNC": "full",  # the plans break the limits only that they are made to break
        "PORT": str(port),
        **more,
    }
    with pytest.MonkeyPatch.context() as monkeypatch, socket:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings = Settings.load()
        app = Gateway(settings, behind_proxy=behind_proxy).app()
        config = uvicorn.Config(
            app, http="h11", ws="none", lifespan="off", log_config=None, proxy_headers=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([socket],))
        thread.start()
        try:
            yield ApprovalSite(settings, f"http://127.0.0.1:{port}")
        finally:
            server.should_exit = True
            thread.join()
