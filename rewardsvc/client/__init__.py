"""Talking to a rewardsvc server: asynchronously, synchronously, or to a scripted stand-in."""

from rewardsvc.client.aio import AsyncClient
from rewardsvc.client.channel import KeepAlive, Tls
from rewardsvc.client.gather import GroupGatherer
from rewardsvc.client.retry import Retry
from rewardsvc.client.samples import SampleLike
from rewardsvc.client.sync import Client

__all__ = ["AsyncClient", "Client", "GroupGatherer", "KeepAlive", "Retry", "SampleLike", "Tls"]
