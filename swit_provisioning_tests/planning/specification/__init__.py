"""The rules in plain Python, on small organisations: what the planner is held against.

Nothing here is fast, and nothing of the planner is used but the settings' and plan's own types.
"""
