"""What must hold: the guards before anything is written, and what to look at after it."""
