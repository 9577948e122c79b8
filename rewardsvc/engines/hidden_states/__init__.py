"""Hidden states at the two ends of a response's thinking, and their distances to centroids."""
