"""The page that shows what is in the sandbox: plain HTML, no script, readable on a phone."""

from collections.abc import Mapping
from html import escape
from typing import Any

from swit_provisioning.sandbox.sandbox import Sandbox

_ROWS_SHOWN = 500
_ROLES = {10: "master", 20: "admin", 30: "member", 40: "guest"}
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 70rem;
  padding: 0 1rem 3rem; }
.banner { background: #b54708; color: #fff; font-weight: 600; margin: 0 -1rem;
  padding: .6rem 1rem; }
h1 { font-size: 1.4rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.tree { list-style: none; padding: 0; } .tree li { border-left: 2px solid var(--line);
  margin: .35rem 0; padding: .1rem .6rem; margin-left: calc(var(--depth) * 1.2rem); }
.people, .note, code { color: color-mix(in srgb, currentColor 70%, transparent); font-size: .9rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; } th { background: var(--soft); white-space: nowrap; }
code { overflow-wrap: anywhere; } .inactive td { text-decoration: line-through; }
.inactive td.state { text-decoration: none; font-weight: 600; }
button { font: inherit; padding: .3rem .9rem; }
"""
_Json = Mapping[str, Any]


def page(sandbox: Sandbox) -> str:
    """The whole page. Everything that came from outside is escaped."""
    state = sandbox.state()
    people = {user["id"]: user for user in state["users"]}
    teams = {team["id"]: team for team in state["teams"]}
    active = sum(user["active"] for user in state["users"])
    title = escape(state["organization"]["name"])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} (sandbox)</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head><body>
<p class="banner">Sandbox: nothing here is real</p>
<h1>{title}</h1>
<p class="note">{active} active users of {len(people)}, {len(teams)} teams, answers in the edition
&ldquo;{escape(state["edition"])}&rdquo;. The same as JSON: <a href="state">state</a>.</p>
<form method="post" action="reset"><button>Start afresh</button></form>
<h2>Teams</h2><ul class="tree">{"".join(_team(team, people) for team in state["teams"])}</ul>
<h2>Users</h2>{_users(state["users"], teams)}
<h2>Last calls</h2>{_calls(state["calls"])}
</body></html>"""


def _team(team: _Json, people: Mapping[str, _Json]) -> str:
    names = [escape(people[each]["name"]) for each in team["user_ids"][:_ROWS_SHOWN]]
    more = len(team["user_ids"]) - len(names)
    members = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    reference = f" <code>{escape(team['reference'])}</code>" if team["reference"] else ""
    shown = f'<div class="people">{members}</div>' if members else ""
    depth = int(team["depth"])
    return f'<li style="--depth:{depth}"><b>{escape(team["name"])}</b>{reference}{shown}</li>'


def _users(users: list[_Json], teams: Mapping[str, _Json]) -> str:
    rows = "".join(_user(user, teams) for user in users[:_ROWS_SHOWN])
    more = len(users) - _ROWS_SHOWN
    note = f'<p class="note">and {more} more</p>' if more > 0 else ""
    heads = ("Name", "E-mail", "Phone", "Role", "State", "Primary team", "Other teams")
    return _table(heads, rows) + note


def _user(user: _Json, teams: Mapping[str, _Json]) -> str:
    primary = user["primary_team"]
    others = ", ".join(teams[each]["name"] for each in user["teams"] if each != primary)
    row = "" if user["active"] else ' class="inactive"'
    return (
        f"<tr{row}><td>{escape(user['name'])}</td><td>{escape(user['email'])}</td>"
        f"<td>{escape(user['phone_number'] or '')}</td>"
        f"<td>{escape(_ROLES.get(user['role'], str(user['role'])))}</td>"
        f'<td class="state">{"active" if user["active"] else "inactive"}</td>'
        f"<td>{escape(teams[primary]['name']) if primary else ''}</td>"
        f"<td>{escape(others)}</td></tr>"
    )


def _calls(calls: list[_Json]) -> str:
    rows = "".join(
        f"<tr><td>{call['number']}</td><td>{escape(call['method'])} {escape(call['call'])}</td>"
        f"<td><code>{escape(call['summary'])}</code></td>"
        f"<td>{call['status'] or 'no answer'}</td></tr>"
        for call in reversed(calls)
    )
    return _table(("No.", "Call", "With", "Status"), rows)


def _table(heads: tuple[str, ...], rows: str) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'
