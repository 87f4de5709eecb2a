"""Names that somebody once gave a person or a team, or that somebody will."""

from typing import Final

from swit_provisioning.planning.model import Finding, Plan, TeamBefore, single_change

SCRIPT: Final = "<script>window.ran = true</script>"
NAMES: Final = (
    SCRIPT,
    "</title></style></script><img src=x onerror='window.ran = true'>",
    '"><svg onload=window.ran=true>',
    "<!-- --><![CDATA[ ]]> &amp; &#60;",
    "{{ 7 * 7 }} {% raw %}",
    "[red]Board[/red] [/] \\[x]",
    "| a | b | `code` **bold** [link](javascript:window.ran=true)",
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe",
    "\N{FIRST STRONG ISOLATE}never ended",
    "\u05d0\u05d1\u05d2 \N{RIGHT-TO-LEFT MARK}\u0645\u0631\u062d\u0628\u0627 abc",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "two\nlines\tand\u2028more",
    "👩\u200d👩\u200d👧 Family 🏳️",
    "한국어 이름 · 日本語",
    "x" * 300,
    "long words " * 27,
)


def hostile_plan() -> Plan:
    """Each of the names as a team that is made, renamed and deleted, a person, and a finding."""
    changes = []
    teams = [TeamBefore(team_id="root", name=NAMES[0], parent_id=None, others=37)]
    for number, name in enumerate(NAMES):
        changes += [
            single_change(
                action="user.create",
                object_id=f"new:user:{number}@x",
                target=f"{number}.{name}@example.com",
                after={"email": f"{number}@x", "name": name, "phone_number": name},
                reason=name,
            ),
            single_change(
                action="team.create",
                object_id=f"new:team:{number}",
                target=name,
                after={"name": name, "parent_id": "root", "parent": name, "reference": name},
                reason="new",
            ),
            single_change(
                action="team.update",
                object_id=f"T{number}",
                target=name,
                before={"name": name},
                after={"name": f"{name} 2"},
                reason="renamed",
            ),
            single_change(
                action="membership.add",
                object_id=f"T{number}",
                target=name,
                after={"user_ids": list("abcdef"), "emails": [name] * 6},
                reason="in the group",
            ),
        ]
        teams.append(TeamBefore(team_id=f"T{number}", name=name, parent_id="root"))
    return Plan(
        changes=tuple(changes),
        disabled=tuple(changes[:1]),
        findings=tuple(
            Finding(kind="missing name", subject=name, attribute=name, message=name)
            for name in NAMES
        ),
        organization_name=SCRIPT,
        directory=SCRIPT,
        teams=tuple(teams),
    )
