"""Generated from protos/rewardsvc/v1 by `make protos`; not edited by hand."""
