"""Why a user or a team is as it is: the rules that applied to it."""
