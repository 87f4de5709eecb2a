"""What a run needs, made when it starts: settings, both sides, the state, and where frames rest."""
