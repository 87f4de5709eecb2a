"""Logins that were begun: each for one browser, once, and not for long."""

from swit_provisioning.gateway.auth import LOGIN_SECONDS, BegunLogins
from swit_provisioning.swit.auth import Login


def a_login() -> Login:
    return Login.begin("user:read")


def test_a_ticket_leads_to_its_login_until_it_is_ended() -> None:
    begun = BegunLogins()
    first, second = a_login(), a_login()
    ticket, other = begun.add(first), begun.add(second)
    assert (begun.look(ticket), begun.look(other)) == (first, second)
    assert begun.end(ticket)
    assert not begun.end(ticket)
    assert begun.look(ticket) is None
    assert begun.look(other) == second
    assert begun.look("made up") is None


def test_a_ticket_runs_out_after_ten_minutes() -> None:
    now = [0.0]
    begun = BegunLogins(clock=lambda: now[0])
    ticket = begun.add(a_login())
    now[0] = LOGIN_SECONDS - 1.0
    assert begun.look(ticket) is not None
    now[0] = float(LOGIN_SECONDS)
    assert begun.look(ticket) is None


def test_the_oldest_of_more_than_a_hundred_is_forgotten() -> None:
    begun = BegunLogins()
    tickets = [begun.add(a_login()) for _ in range(101)]
    assert len(set(tickets)) == 101
    assert begun.look(tickets[0]) is None
    assert begun.look(tickets[1]) is not None
