"""Runs, messages, alarms, retention and erasure: everything beside planning and sending."""
