"""`--no-names` hides people in the decisions about a plan, too: who made them, and why."""

import json

from click.testing import CliRunner

from swit_provisioning.cli.documents import history_without_people
from swit_provisioning.cli.main import main
from swit_provisioning.report.redaction import code_of
from swit_provisioning.settings import Settings
from swit_provisioning.state.journal import Answer, Application
from swit_provisioning.state.store import Store
from swit_provisioning_tests.state.made import a_change, a_plan

LEAVER, APPROVER = "ann.lee@example.com", "kim@example.org"
WHY = f"{LEAVER} left"


def test_no_names_hides_people_in_decisions_about_a_plan_in_json_too() -> None:
    plan = a_plan(1)
    with Store.open(Settings.load().database_url) as store:
        store.plans.save(plan, run_id="R1", guard_results=[])
        approval = store.approvals.add(plan.plan_hash, actor=APPROVER, reason=WHY, guards=("g",))
        store.acceptances.accept(
            "R1",
            plan_hash=plan.plan_hash,
            application_id="R1",
            approval_id=approval,
            actor=APPROVER,
        )
        store.acceptances.finish("R1")
        store.rejections.add(plan.plan_hash, actor=APPROVER, reason=WHY)
    words = ["show", plan.plan_id, "--json"]
    named = json.loads(CliRunner().invoke(main, words, catch_exceptions=False).stdout)
    hidden = CliRunner().invoke(main, [*words, "--no-names"], catch_exceptions=False).stdout
    assert LEAVER not in hidden
    assert APPROVER not in hidden
    found = json.loads(hidden)
    for decision in ("approved", "rejected"):
        assert (named[decision]["who"], named[decision]["why"]) == (APPROVER, WHY)
        assert found[decision]["who"] == code_of(APPROVER)
        assert found[decision]["why"] == f"{code_of(LEAVER)} left"
    assert named["applied"]["who"] == APPROVER
    assert found["applied"] == named["applied"] | {"who": code_of(APPROVER)}


def test_no_names_hides_people_in_the_approval_of_what_was_done_before() -> None:
    plan = a_plan(1)
    with Store.open(Settings.load().database_url) as store:
        approval = store.approvals.add(plan.plan_hash, actor=APPROVER, reason=WHY, guards=("g",))
        by = Application(
            application_id="R1", plan_hash=plan.plan_hash, run_id="R1", approval_id=approval
        )
        store.journal.unsent(a_change(1), by, Answer(outcome="skipped"))
        (deed,) = store.history.find()
    shown = history_without_people(deed).approval
    assert shown is not None
    assert (shown.actor, shown.reason) == (code_of(APPROVER), f"{code_of(LEAVER)} left")
