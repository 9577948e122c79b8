"""rewardsvc."""
