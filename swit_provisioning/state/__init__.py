"""The state database: tokens, plans, approvals, identities, journal and lease. Decides nothing."""
