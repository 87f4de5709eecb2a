"""The Swit API: calls, models, log-in, pace and errors. Nothing is decided here."""
