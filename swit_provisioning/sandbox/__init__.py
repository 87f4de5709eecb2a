"""A stand-in Swit organisation, kept in memory, for demonstrations and tests.

Nothing in it is real. `organisation.py` and what it is made of hold the rules, `sandbox.py` adds
signing in, pace, faults and the log, `app.py` serves it over HTTP in each edition of Swit's
answers, and `server.py` runs it in a thread. It knows nothing of the client that talks to it.
"""

SANDBOX_PORT = 5600
"""Where the sandbox listens unless it is told otherwise."""
