"""Deciding: frames in, plan out. Pure: no Dagster, no network, no database, no clock."""
