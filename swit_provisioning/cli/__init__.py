"""The command line: the same jobs as the Dagster UI, for a terminal and for scripts."""
