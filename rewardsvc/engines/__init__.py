"""What does the work: processes that hold a model or run hostile input."""
