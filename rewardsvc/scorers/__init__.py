"""What scores: one file per kind, listed in the registry."""
