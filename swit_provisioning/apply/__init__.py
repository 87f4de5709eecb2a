"""Sending a plan: order, journal, resume. Nothing is decided here, and nothing is sent twice."""
