"""How often verifiers err, and what to do about it: pure functions on arrays, no torch."""

from rewardsvc.noise.channel import Channel
from rewardsvc.noise.estimate import NoiseCell, NoiseEstimate
from rewardsvc.noise.rates import RateEstimate, youden_of

__all__ = ["Channel", "NoiseCell", "NoiseEstimate", "RateEstimate", "youden_of"]
