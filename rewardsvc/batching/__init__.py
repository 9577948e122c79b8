"""Gathers the groups of all callers into batches, fairly and in time."""
