"""What keeps the storage small and people's data no longer than needed."""
