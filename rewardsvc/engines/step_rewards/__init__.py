"""Process reward models: one probability a step, read from one pass over the response."""
