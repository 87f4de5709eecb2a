"""A stand-in Swit organisation, kept in memory, for demonstrations and tests.

`organisation.py`, `users.py` and `teams.py` contain the rules, `tokens.py` the login, `calls.py`
and `editions.py` the calls in each edition of Swit's API. `app.py` serves them over HTTP with
rate limit, faults and log, and `server.py` runs that. It imports nothing of the client.
"""

SANDBOX_PORT = 5600
"""The default port."""
