"""The assets: what each side says, what differs, the plan, the gate, and what was applied."""
