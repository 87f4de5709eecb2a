"""Logins that were started: each for one browser, once, and for ten minutes."""

from swit_provisioning.gateway.login_pages import LOGIN_SECONDS, StartedLogins
from swit_provisioning.swit.auth import Login


def a_login() -> Login:
    return Login.begin("user:read")


def test_a_ticket_leads_to_its_login_until_it_is_removed() -> None:
    started = StartedLogins()
    first, second = a_login(), a_login()
    ticket, other = started.add(first), started.add(second)
    assert (started.get(ticket), started.get(other)) == (first, second)
    started.remove(ticket)
    started.remove(ticket)
    assert started.get(ticket) is None
    assert started.get(other) == second
    assert started.get("made up") is None


def test_a_ticket_runs_out_after_ten_minutes() -> None:
    now = [0.0]
    started = StartedLogins(clock=lambda: now[0])
    ticket = started.add(a_login())
    now[0] = LOGIN_SECONDS - 1.0
    assert started.get(ticket) is not None
    now[0] = float(LOGIN_SECONDS)
    assert started.get(ticket) is None


def test_the_oldest_of_more_than_a_hundred_is_forgotten() -> None:
    started = StartedLogins()
    tickets = [started.add(a_login()) for _ in range(101)]
    assert len(set(tickets)) == 101
    assert started.get(tickets[0]) is None
    assert started.get(tickets[1]) is not None
