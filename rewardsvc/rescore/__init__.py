"""Rescores datasets of any length through a client, in constant memory, resumably."""
