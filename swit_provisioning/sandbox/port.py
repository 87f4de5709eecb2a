"""Where the sandbox listens unless it is told otherwise."""

SANDBOX_PORT = 5600
