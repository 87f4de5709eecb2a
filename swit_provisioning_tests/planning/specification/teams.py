"""Whose team is whose, what becomes of each, where it belongs and what it is called."""

from collections import Counter
from dataclasses import dataclass, field

from swit_provisioning.planning.policy import Memory, Policy
from swit_provisioning_tests.planning.specification.directory import (
    Directory,
    GroupEntry,
    key_of,
)
from swit_provisioning_tests.planning.specification.organisation import ROOT, Organisation
from swit_provisioning_tests.planning.specification.people import Accounts
from swit_provisioning_tests.planning.specification.words import (
    MARK,
    fold,
    matches,
    suffix_of,
    team_name,
    unique,
    wild,
)

STAY = "stay"


@dataclass(kw_only=True)
class Teams:
    """All that is decided about teams before any call."""

    directory: Directory
    organisation: Organisation
    policy: Policy
    memory: Memory
    accounts: Accounts

    groups: dict[str, GroupEntry] = field(default_factory=dict)
    """In scope, in directory order."""
    names: dict[str, list[str]] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    team_of: dict[str, str] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    unmanaged: set[str] = field(default_factory=set)
    goes: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    immovable: set[str] = field(default_factory=set)
    creates: list[str] = field(default_factory=list)
    parent: dict[str, str | None] = field(default_factory=dict)
    """Group -> group above, `None` for the root, or `STAY`."""
    wanted_name: dict[str, str] = field(default_factory=dict)
    mark_names: dict[str, str] = field(default_factory=dict)
    findings: list[tuple[str, str]] = field(default_factory=list)

    @property
    def position(self) -> dict[str, int]:
        return {key: place for place, key in enumerate(self.groups)}

    @property
    def group_of(self) -> dict[str, str]:
        return {team: key for key, team in self.team_of.items()}

    def node(self, key: str | None) -> str:
        """Where a group's team is or will be."""
        if key is None:
            return ROOT
        return self.team_of.get(key, f"new:team:{key}")

    def off(self, action: str) -> bool:
        return action in self.policy.disabled_actions

    def decide(self) -> None:
        excluded = self._scope()
        self._match(excluded)
        while True:
            self._fate()
            nameless = self._names()
            if not nameless:
                break
            for key in nameless:
                self.names[key] = []
        self._parents()

    def _scope(self) -> list[GroupEntry]:
        """Split groups; give each the names that its team could have."""
        out = {fold(name) for name in self.policy.teams_to_exclude}
        excluded = []
        for group in self.directory.groups:
            common = [part[3:] for part in group.dn.split(",") if part.casefold().startswith("cn=")]
            by_name = {fold(text) for text in (*common, *group.names)} & out
            if by_name or group.stable_id in self._exempt("group"):
                excluded.append(group)
                continue
            self.groups[group.key] = group
            self.names[group.key] = sorted({team_name(name) for name in group.names} - {""})
        self.findings += [("missing group name", k) for k, n in self.names.items() if not n]
        return excluded

    def _exempt(self, kind: str) -> set[str]:
        """Ids of what the settings named before, if they still have the same entry."""
        policy = self.policy
        named = {("TEAMS_TO_EXCLUDE", fold(name)) for name in policy.teams_to_exclude}
        named |= {("SWIT_TEAMS_TO_KEEP", fold(name)) for name in policy.teams_to_keep}
        before = [e for e in self.memory.exempt if e.kind == kind]
        return {e.object_id for e in before if (e.setting, e.entry) in named}

    def keys(self, group: GroupEntry) -> list[str]:
        by_dn = self.directory.reference_attribute == "distinguishedName"
        first = group.dn if by_dn else group.directory_id or group.dn
        return [text.casefold() for text in (first, group.dn, group.stable_id)]

    def reference(self, group: GroupEntry) -> str:
        by_dn = self.directory.reference_attribute == "distinguishedName"
        return group.dn if by_dn else group.directory_id or group.dn

    def _match(self, excluded: list[GroupEntry]) -> None:
        teams = self.organisation.teams
        self.own = {
            t.team_id
            for t in teams.values()
            if t.parent is None
            or (t.parent == ROOT and fold(t.name) == "unassigned" and not t.reference)
        }
        by_reference: dict[str, list[str]] = {}
        for team in teams.values():
            if team.reference and team.team_id not in self.own:
                by_reference.setdefault(team.reference.casefold(), []).append(team.team_id)
        home, bound = self._remembered([*self.groups.values(), *excluded])

        def candidates(group: GroupEntry) -> list[str]:
            found = [t for key in self.keys(group) for t in by_reference.get(key, [])]
            mine = [t for t in found if bound.get(t, group.key) == group.key]
            return list(dict.fromkeys([*mine, *([home[group.key]] if group.key in home else [])]))

        keep = self.policy.teams_to_keep
        self.kept = {
            t.team_id
            for t in teams.values()
            if matches(keep, t.name) or t.team_id.casefold() in {k.casefold() for k in keep}
        }
        self.kept |= {team for group in excluded for team in candidates(group)}
        self.kept |= self._exempt("team") & set(teams)
        self.kept -= self.own
        for group in self.groups.values():
            free = [t for t in candidates(group) if t not in self.team_of.values()]
            if free:
                self.team_of[group.key] = min(
                    free,
                    key=lambda t, g=group: self._rank(t, g, home),  # type: ignore[misc] # a default binds the group
                )
        rest = set(teams) - self.own - self.kept - set(self.team_of.values())
        self.left = {t for t in rest if self._has_left(t)}
        self.unmanaged = rest - self.left
        if self.policy.unmanaged_teams == "adopt":
            self._adopt()

    def _remembered(self, groups: list[GroupEntry]) -> tuple[dict[str, str], dict[str, str]]:
        home: dict[str, str] = {}
        bound: dict[str, str] = {}
        counted = Counter(group.stable_id for group in groups)
        by_id = {g.stable_id: g.key for g in groups if counted[g.stable_id] == 1}
        for directory_id, team in sorted(self.memory.groups.items()):
            there = team in self.organisation.teams and team not in self.own
            if directory_id in by_id and there and team not in bound:
                home[by_id[directory_id]], bound[team] = team, by_id[directory_id]
        return home, bound

    def _rank(
        self, team_id: str, group: GroupEntry, home: dict[str, str]
    ) -> tuple[bool, bool, bool, int, int, str]:
        team, keys = self.organisation.teams[team_id], self.keys(group)
        reference = team.reference.casefold()
        wanted = {self.accounts.account_of.get(key_of(dn)) for dn in group.members}
        return (
            home.get(group.key) != team_id,
            team_id not in self.kept,
            team.name.startswith(MARK),
            keys.index(reference) if reference in keys else 9,
            -len(wanted & set(team.users)),
            team_id,
        )

    def _has_left(self, team_id: str) -> bool:
        reference = self.organisation.teams[team_id].reference.casefold()
        base = self.directory.search_base
        below = "=" in reference and (base is None or reference.endswith("," + base.casefold()))
        return below or team_id in self.memory.groups.values()

    def _adopt(self) -> None:
        for team in sorted(self.unmanaged):
            name = fold(self.organisation.teams[team].name)
            called = [k for k, names in self.names.items() if name in map(fold, names)]
            if len(called) == 1 and called[0] not in self.team_of:
                self.team_of[called[0]] = team
        self.unmanaged -= set(self.team_of.values())

    def _fate(self) -> None:
        teams, removal = self.organisation.teams, self.policy.team_removal
        self.goes, self.marks, self.creates, self.wanted_name = set(), set(), [], {}
        if removal == "delete":
            self.goes |= self.left
        if self.policy.unmanaged_teams == "delete":
            self.goes |= self.unmanaged
        if removal == "mark" and not self.off("team.update"):
            self.marks = {t for t in self.left if not teams[t].name.startswith(MARK)}
        if self.off("team.delete"):
            self.goes = set()
        managed = set(self.team_of.values())
        self.immovable = (set(teams) - self.goes - managed) | self.kept
        if self.off("team.update"):
            self.immovable |= managed
        if not self.off("team.create"):
            self.creates = [k for k in self.groups if k not in self.team_of and self.names[k]]
        self.put = {
            team
            for key, team in self.team_of.items()
            if team not in self.immovable
            and self.candidates(key)
            and not set(self.candidates(key)) & self.has_team
        }
        while blocked := sorted(
            t for t in self.goes if set(teams[t].children) & (self.immovable | self.put)
        ):
            self.findings += [("team not deleted", teams[t].name) for t in blocked]
            self.goes -= set(blocked)
            self.immovable |= set(blocked)

    put: set[str] = field(default_factory=set)

    @property
    def has_team(self) -> set[str]:
        return {*self.team_of, *self.creates}

    def candidates(self, key: str) -> list[str]:
        """Groups that could be above this one, the preferred first; none above another of them."""
        above = self.above(key)
        far = {
            parent
            for parent in above
            for other in above
            if parent in self.ancestors(other)
            and other not in self.ancestors(parent)
            and key not in self.ancestors(other)
        }
        listing = self.listing(key)
        return sorted(above - far, key=lambda k: (k not in listing, self.position[k]))

    def listing(self, key: str) -> set[str]:
        """Groups in scope that list this one as a member."""
        return {k for k, g in self.groups.items() if key in {key_of(dn) for dn in g.members}}

    def above(self, key: str) -> set[str]:
        """Groups in scope that list this one, or that its `memberOf` names; never itself."""
        named = {key_of(dn) for dn in self.groups[key].parents or ()}
        return (self.listing(key) | (named & set(self.groups))) - {key}

    def ancestors(self, key: str) -> set[str]:
        """All groups above one, itself among them only if it is below itself."""
        found: set[str] = set()
        todo = [key]
        while todo:
            new = self.above(todo.pop()) - found
            found |= new
            todo += new
        return found

    def _parents(self) -> None:
        teams, group_of = self.organisation.teams, self.group_of
        up: dict[str, str | None] = {
            t: teams[t].parent
            for t in teams
            if t not in group_of or t in self.immovable or t in self.put
        }
        for key in self.groups:
            if key not in self.has_team or self.node(key) in up:
                self.parent[key] = STAY
                continue
            self.parent[key] = self._choice(key, up)
            up[self.node(key)] = self.node(self.parent[key])

    def _choice(self, key: str, up: dict[str, str | None]) -> str | None:
        """The present parent first; one that would close a ring is passed over."""
        above = [k for k in self.candidates(key) if k in self.has_team]
        team = self.team_of.get(key)
        now = self.group_of.get(self.organisation.teams[team].parent or "") if team else None
        for candidate in sorted(above, key=lambda k: k != now):
            here: str | None = self.node(candidate)
            while here is not None and here != self.node(key):
                here = up.get(here)
            if here is None:
                return candidate
            self.findings.append(("circular membership", key))
        return None

    def _names(self) -> list[str]:
        """Also the groups for which no name is to be had."""
        teams = self.organisation.teams
        nameless = {team for key, team in self.team_of.items() if not self.names[key]}
        stay = ((self.immovable | self.own) - self.marks) | nameless
        keep = self.policy.teams_to_keep
        taken = {fold(teams[t].name) for t in stay} | {"unassigned"}
        taken |= {fold(name) for name in keep if name not in wild(keep)}
        homeless = []
        for key, names in self.names.items():
            team = self.team_of.get(key)
            if not names or (team in self.immovable if team else key not in self.creates):
                continue
            kept = self._kept(teams[team].name, names, taken) if team else None
            if kept is None:
                homeless.append(key)
            else:
                self.wanted_name[key] = kept
                taken.add(fold(kept))
        for key in homeless:
            tried = (unique(name, taken, wild(keep)) for name in self.names[key])
            self.wanted_name[key] = next(filter(None, tried), "")
        self.mark_names = {t: unique(MARK + teams[t].name, taken) for t in sorted(self.marks)}
        return [key for key in homeless if not self.wanted_name[key]]

    @staticmethod
    def _kept(present: str, names: list[str], taken: set[str]) -> str | None:
        for name in names:
            suffix = suffix_of(present, name)
            if suffix is not None and fold(present) not in taken:
                return name + suffix
        return None
