"""Gathers the groups of all callers into batches, fairly and in time."""

from rewardsvc.batching.batcher import Batcher
from rewardsvc.batching.observer import BatchObserver, DropReason
from rewardsvc.batching.ticket import Ticket

__all__ = ["BatchObserver", "Batcher", "DropReason", "Ticket"]
