"""A plan as people read it: sentences, the picture of the team tree, one page. No Dagster here."""
