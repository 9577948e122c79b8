"""What a generative critic needs besides a model: steps, prompt, parser and votes. Pure."""
