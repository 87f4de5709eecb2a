"""The HTTP gateway: the reference program's addresses, health, state and metrics."""
