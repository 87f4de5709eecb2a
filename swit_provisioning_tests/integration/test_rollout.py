"""The steps of docs/how-to/roll-out.md, in order, on a real OpenLDAP server and the sandbox."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swit_provisioning.defs.jobs import daily_sync
from swit_provisioning.sandbox.server import SandboxServer
from swit_provisioning.settings import ScheduleSettings
from swit_provisioning_tests.integration import company
from swit_provisioning_tests.integration.slapd import PASSWORD, SUFFIX, Slapd
from swit_provisioning_tests.integration.stage import Stage, stage

PILOT = next(group for group in company.groups() if group.name == "Platform 1")
ADDING_ONLY = "user.deactivate,user.remove,team.delete,membership.remove"
STRANGERS = ("old.timer@example.test", "contractor@elsewhere.example")


class RollOut:
    """An organisation that people have made by hand so far, and what the settings are by now."""

    def __init__(self, on_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage = on_stage
        self._environment = monkeypatch
        people = company.people()
        made = on_stage.organisation
        for person in people[:60]:
            made.add_user(person.email, person.name, phone_number=person.phone)
        made.add_user(STRANGERS[0], "Old Timer")
        self.contractor = made.add_user(STRANGERS[1], "A Contractor")
        self.club = made.add_team("Chess Club", user_ids=[self.contractor])
        self.left = made.add_team("Fax Service", reference=f"cn=Fax Service,{company.GROUPS}")

    def change(self, **variables: str | None) -> None:
        for name, value in variables.items():
            if value is None:
                self._environment.delenv(name)
            else:
                self._environment.setenv(name, value)

    def approved(self) -> None:
        """Apply a plan that creates too much for its limit, with an approval.

        Where the scope grows, a smaller share of the people may have some attribute.
        """
        plan = self.stage.json("plan", code=3)
        stopped_by = {guard["name"] for guard in plan["guards"] if not guard["passed"]}
        assert "creations_within_limit" in stopped_by
        assert stopped_by <= {"creations_within_limit", "directory_attributes_still_there"}
        done = self.stage.json("apply", plan["plan_id"], "--approve", "the next step")
        assert set(done["outcomes"]) <= {"applied", "already so"}, done

    def sync(self) -> dict[str, Any]:
        done = self.stage.json("sync")
        assert set(done["outcomes"]) <= {"applied", "already so"}, done
        return done

    @property
    def active(self) -> set[str]:
        return {email for email, user in self.stage.users().items() if user["active"]}


@pytest.fixture
def roll_out(slapd: Slapd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RollOut]:
    with stage(monkeypatch, tmp_path, SandboxServer()) as on_stage:
        for name in ("IDP_FILE", "TEAMS_TO_EXCLUDE"):
            monkeypatch.delenv(name)
        made = RollOut(on_stage, monkeypatch)
        made.change(
            LDAP_SERVER_DOMAIN="localhost",
            LDAP_SERVER_PORT=str(slapd.port),
            LDAP_USER=slapd.config().user,
            LDAP_PASSWORD=PASSWORD,
            LDAP_SEARCH_BASE=SUFFIX,
            LDAP_USER_OUS="Employees,Partners",
            LDAP_GROUP_OUS="Groups",
            LDAP_TLS="starttls",
            LDAP_CA_FILE=slapd.config().ca_file or "",
        )
        yield made


def test_from_a_shadow_to_every_action(roll_out: RollOut) -> None:
    """Each step keeps what the ones before have done, and takes nothing away before its turn."""
    _shadow(roll_out)
    _pilot_group(roll_out)
    _one_ou(roll_out)
    _everybody(roll_out)
    _action_by_action(roll_out)


def _shadow(roll_out: RollOut) -> None:
    roll_out.change(SCHEDULE_TIME="02:30", SCHEDULE_ACTION="plan")
    [schedule] = daily_sync(ScheduleSettings.load())
    assert schedule.job_name == "plan"
    before = roll_out.stage.organisation.snapshot()
    plan = roll_out.stage.json("plan", code=3)
    assert plan["counts"]["user.create"] == 140
    assert plan["counts"]["user.deactivate"] == len(STRANGERS)
    assert plan["counts"]["team.delete"] == 1
    assert roll_out.stage.organisation.snapshot() == before
    roll_out.change(SCHEDULE_ACTION="sync")
    [schedule] = daily_sync(ScheduleSettings.load())
    assert schedule.job_name == "sync"


def _pilot_group(roll_out: RollOut) -> None:
    roll_out.change(
        LDAP_USER_FILTER=f"(&(objectClass=inetOrgPerson)(memberOf={PILOT.dn}))",
        LDAP_GROUP_FILTER="(&(objectClass=groupOfNames)(cn=Platform 1))",
        UNMANAGED_USERS="keep",
        DISABLED_ACTIONS=ADDING_ONLY,
    )
    before = roll_out.active
    roll_out.sync()
    pilots = {person.email for person in company.people() if person.dn in PILOT.members}
    assert roll_out.active == before | pilots
    teams = roll_out.stage.teams()
    assert set(teams) == {"Chess Club", "Fax Service", PILOT.name}
    assert len(teams[PILOT.name]["user_ids"]) == len(pilots)


def _one_ou(roll_out: RollOut) -> None:
    """The pilots of other OUs are not in the directory as it is read now, and stay."""
    before = roll_out.active
    roll_out.change(LDAP_USER_FILTER=None, LDAP_GROUP_FILTER=None, LDAP_USER_OUS="Partners")
    plan = roll_out.stage.json("plan", code=3)
    assert {change["action"] for change in plan["disabled"]} >= {"user.deactivate"}
    roll_out.approved()
    partners = {p.email for p in company.people() if p.base == company.PARTNERS}
    assert roll_out.active == before | partners
    assert set(roll_out.stage.teams()) >= {group.name for group in company.groups()} - {
        "Ñandú; Peña"
    }


def _everybody(roll_out: RollOut) -> None:
    roll_out.change(LDAP_USER_OUS="Employees,Partners")
    roll_out.approved()
    assert roll_out.active == {p.email for p in company.people()} | set(STRANGERS)
    assert roll_out.stage.json("sync")["status"] == "nothing to do"


def _action_by_action(roll_out: RollOut) -> None:
    team = roll_out.stage.teams()[PILOT.name]
    members, stray = (
        team["user_ids"],
        next(p for p in company.people() if p.dn not in PILOT.members),
    )
    with roll_out.stage.organisation.lock:
        added = [roll_out.stage.users()[stray.email]["id"]]
        roll_out.stage.organisation.add_members(team["id"], added)
    roll_out.change(DISABLED_ACTIONS="user.deactivate,user.remove,team.delete")
    done = roll_out.sync()
    assert done["counts"] == {"membership.remove": 1}
    assert roll_out.stage.teams()[PILOT.name]["user_ids"] == members
    roll_out.change(DISABLED_ACTIONS="user.deactivate,user.remove")
    assert roll_out.sync()["counts"] == {"team.delete": 1}
    assert "Fax Service" not in roll_out.stage.teams()
    roll_out.change(DISABLED_ACTIONS=None)
    assert roll_out.stage.json("sync")["status"] == "nothing to do"
    assert roll_out.active >= set(STRANGERS)
    roll_out.change(UNMANAGED_USERS="deactivate")
    assert roll_out.sync()["counts"] == {"user.deactivate": len(STRANGERS)}
    assert roll_out.active == {person.email for person in company.people()}
    assert "Chess Club" in roll_out.stage.teams()
