"""The calls, each played on a copy of the organisation, which refuses what Swit would refuse."""

from dataclasses import dataclass, field

from swit_provisioning_tests.planning.specification.directory import Directory, Entry, key_of
from swit_provisioning_tests.planning.specification.organisation import ROOT, Organisation
from swit_provisioning_tests.planning.specification.people import Accounts, Call
from swit_provisioning_tests.planning.specification.teams import STAY, Teams
from swit_provisioning_tests.planning.specification.words import MOVING, fold, unique


@dataclass(kw_only=True)
class Work:
    """What one team still needs."""

    kind: str
    order: tuple[int, int]
    wanted: dict[str, str] = field(default_factory=dict)
    """Those of `name`, `parent`, `reference`; parents may be `new:team:...`."""


@dataclass(kw_only=True)
class Steps:
    """Turns decisions into calls; `organisation` is what they lead to."""

    directory: Directory
    organisation: Organisation
    accounts: Accounts
    teams: Teams
    calls: list[Call] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)
    """`new:...` -> id."""
    pending: dict[str, Work] = field(default_factory=dict)
    needed: dict[str, Work] = field(default_factory=dict)
    """All work there was, as it was at first."""
    wanted_members: dict[str, set[str]] = field(default_factory=dict)

    primary_at_first: dict[str, str | None] = field(default_factory=dict)
    """By accounts: the primary team before the first call."""

    def play(self) -> None:
        self.primary_at_first = {u: a.primary for u, a in self.organisation.users.items()}
        for action, values in self.accounts.calls:
            self.do(action, **values)
        self.pending = self.differences()
        self.needed = {
            t: Work(**{**vars(w), "wanted": dict(w.wanted)}) for t, w in self.pending.items()
        }
        self.delete()
        self.free_names()
        self.create()
        self.update()
        self.delete()
        assert not self.pending
        self.sort()
        self.memberships()
        self.primaries()

    def do(self, action: str, **values: object) -> None:
        self.calls.append((action, dict(values)))
        sent = {
            k: self.real(v) if isinstance(v, str) else v for k, v in values.items() if k != "as_"
        }
        users = sent.get("users")
        if isinstance(users, list):
            sent["users"] = [self.real(user) for user in users]
        answer = self.organisation.call(action, **sent)
        if action == "user.create":
            self.made[f"new:user:{str(values['email']).strip().casefold()}"] = answer
        if action == "team.create":
            self.made[str(self.last_created)] = answer

    last_created: str = ""

    def real(self, node: str) -> str:
        return self.made.get(node, node)

    def depth(self, key: str | None) -> int:
        steps = 0
        while key is not None and self.teams.parent[key] != STAY:
            steps, key = steps + 1, self.teams.parent[key]
        return steps

    def differences(self) -> dict[str, Work]:  # noqa: C901 - as the rules tell it, in one piece
        rules, work = self.teams, {}
        for key, group in rules.groups.items():
            team = rules.team_of.get(key)
            order = (self.depth(key), rules.position[key])
            above = rules.parent[key]
            if team is None:
                if key in rules.creates:
                    wanted = {"name": rules.wanted_name[key], "parent": rules.node(above)}
                    wanted["reference"] = rules.reference(group)
                    work[rules.node(key)] = Work(kind="create", order=order, wanted=wanted)
                continue
            record = rules.organisation.teams[team]
            wanted = {}
            if team in rules.immovable:
                continue
            if rules.wanted_name.get(key, record.name) != record.name:
                wanted["name"] = rules.wanted_name[key]
            if above != STAY and rules.node(above) != record.parent:
                wanted["parent"] = rules.node(above)
            if record.reference.casefold() != rules.reference(group).casefold():
                wanted["reference"] = rules.reference(group)
            if wanted:
                work[team] = Work(kind="update", order=order, wanted=wanted)
        for team, name in rules.mark_names.items():
            work[team] = Work(kind="update", order=(-1, 0), wanted={"name": name})
        for team in rules.goes:
            work[team] = Work(kind="delete", order=(-2, 0))
        return work

    # -- the five ops
    def of_kind(self, kind: str) -> list[str]:
        found = [team for team, work in self.pending.items() if work.kind == kind]
        return sorted(found, key=lambda team: (self.pending[team].order, team))

    def delete(self) -> None:
        while ready := [
            t for t in self.of_kind("delete") if not self.organisation.teams[t].children
        ]:
            for team in ready:
                self.do("team.delete", team=team)
                del self.pending[team]

    def name_is_free(self, team: str) -> bool:
        name = self.pending[team].wanted.get("name")
        return name is None or self.organisation.holder(name, self.real(team)) is None

    def place_is_free(self, team: str) -> bool:
        above = self.pending[team].wanted.get("parent")
        if above is None:
            return True
        above = self.real(above)
        there = above in self.organisation.teams
        return there and above != team and above not in self.organisation.below(team)

    def in_turn(self, team: str) -> bool:
        """Whether nobody before it arrives at the same parent later."""
        mine = self.pending[team]
        above = mine.wanted.get("parent")
        return above is None or not any(
            work.order < mine.order and work.wanted.get("parent") == above
            for work in self.pending.values()
            if work.kind == "update"
        )

    def send(self, team: str) -> None:
        self.do("team.update", team=team, **self.pending.pop(team).wanted)

    def chain(self) -> list[str]:
        """Who has the name a new team needs, who has the one that that team needs..."""
        found: list[str] = []
        for team in self.of_kind("create"):
            holder = self.organisation.holder(self.pending[team].wanted["name"])
            while holder in self.pending and holder not in found:
                found.append(holder)
                name = self.pending[holder].wanted.get("name")
                holder = self.organisation.holder(name, holder) if name else None
        return [team for team in found if self.pending[team].kind == "update"]

    def free_names(self) -> None:
        while whole := [t for t in self.chain() if self.name_is_free(t) and self.place_is_free(t)]:
            self.send(whole[0])
        for team in self.of_kind("create"):
            holder = self.organisation.holder(self.pending[team].wanted["name"])
            if holder is not None:
                self.step_aside(holder)

    def step_aside(self, holder: str) -> None:
        work = self.pending[holder]
        if work.kind == "update" and "name" in work.wanted and self.name_is_free(holder):
            alone = {k: work.wanted.pop(k) for k in ("name", "reference") if k in work.wanted}
            self.do("team.update", team=holder, **alone)
            if not work.wanted:
                del self.pending[holder]
            return
        taken = {fold(team.name) for team in self.organisation.teams.values()}
        taken |= {fold(w.wanted["name"]) for w in self.pending.values() if "name" in w.wanted}
        name = unique(MOVING + self.organisation.teams[holder].name, taken)
        self.do("team.update", team=holder, name=name)

    def create(self) -> None:
        for team in self.of_kind("create"):
            self.last_created = team
            self.do("team.create", **self.pending.pop(team).wanted)

    def update(self) -> None:
        while waiting := self.of_kind("update"):
            free = [t for t in waiting if self.name_is_free(t) and self.place_is_free(t)]
            if free:
                self.send(next((team for team in free if self.in_turn(team)), free[0]))
                continue
            top = next(t for t in waiting if self.place_is_free(t))
            holder = self.organisation.holder(self.pending[top].wanted["name"], top)
            assert holder in self.pending, "the name is held by a team that stays"
            self.step_aside(holder)

    # -- order, members, primary teams
    def sort(self) -> None:
        rules = self.teams
        ours = {self.real(rules.node(k)): k for k in rules.has_team}
        ours = {team: key for team, key in ours.items() if team not in rules.kept}
        for parent in [ROOT, *self.organisation.below(ROOT)]:
            if parent in rules.kept | rules.own - {ROOT}:
                continue
            children = self.organisation.teams[parent].children
            mine = [team for team in children if team in ours]
            wanted = sorted(mine, key=lambda team: rules.position[ours[team]])
            if mine != wanted and not rules.off("team.sort"):
                others = [team for team in children if team not in ours]
                self.do("team.sort", parent=parent, teams=wanted + others)

    def memberships(self) -> None:
        rules = self.teams
        added, removed = [], []
        for key, group in rules.groups.items():
            team = rules.node(key)
            if key not in rules.has_team or team in rules.kept:
                continue
            have = set(self.organisation.teams[self.real(team)].users)
            accounts = (self.accounts.account_of.get(key_of(dn)) for dn in group.members)
            want = {self.real(a) for a in accounts if a} - self.accounts.left_alone
            self.wanted_members[team] = want
            gone = have - want - self.accounts.left_alone
            added += [(team, sorted(want - have))] if want - have else []
            removed += [(team, sorted(gone))] if gone else []
        self.before_members = {u: dict(a.teams) for u, a in self.organisation.users.items()}
        for action, rows in (("membership.add", added), ("membership.remove", removed)):
            for team, users in rows if not rules.off(action) else []:
                self.do(action, team=team, users=users)

    before_members: dict[str, dict[str, bool]] = field(default_factory=dict)

    def primaries(self) -> None:
        for entry in self.directory.users:
            account = self.accounts.account_of.get(entry.key)
            if account is not None and account not in self.accounts.left_alone:
                self.primary(entry, self.real(account))

    def primary(self, entry: Entry, user: str) -> None:
        """Swit makes the first team that a user joins primary, where there was none.

        The plan relies on it only where the wanted team is the only one that the user joins:
        several additions arrive in any order. Nor does it where the primary team is deleted
        while the user is in others: nobody knows whether Swit makes one of these primary.
        """
        rules = self.teams
        own = rules.own
        after = [team for team in self.organisation.users[user].teams if team not in own]
        before = self.before_members[user]
        ours = [
            self.real(team)
            for team in map(rules.node, rules.groups)
            if user in self.wanted_members.get(team, set()) and self.real(team) in after
        ]
        if len(after) < 2 or not ours:
            return
        had = next((team for team, primary in before.items() if primary), None)
        new = [team for team in after if team not in before]
        named = self.named(entry.primary_group)
        wanted = named if named in ours else (had if had in ours else ours[0])
        is_lost = had is None and self.primary_at_first.get(user) is not None
        by_itself = had is None and not (is_lost and before.keys() - own)
        if by_itself and new == [wanted]:
            return
        if not (had in after and had == wanted) and not rules.off("primary.update"):
            self.do("primary.update", team=wanted, user=user)

    def named(self, text: str | None) -> str | None:
        if text is None or key_of(text) not in self.teams.has_team:
            return None
        return self.real(self.teams.node(key_of(text)))
