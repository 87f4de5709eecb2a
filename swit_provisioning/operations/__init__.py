"""What people are told beside the UI: after runs, and when something is wrong."""
