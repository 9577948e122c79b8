"""`python -m rewardsvc` is the command `rewardsvc`."""

from rewardsvc.cli import entry_point

if __name__ == "__main__":
    entry_point()
