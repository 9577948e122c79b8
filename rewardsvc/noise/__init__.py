"""How often verifiers err, and what to do about it: pure functions on arrays, no torch."""

from rewardsvc.noise.appeals import Appeal, AppealedRates, AppealRefused, Judge, rates_from_appeals
from rewardsvc.noise.audit import AuditedVerdict, AuditFailed, estimate_noise, estimate_rate
from rewardsvc.noise.baselines import DO_NOT_GROUP_NORMALISE, leave_one_out_advantages
from rewardsvc.noise.channel import Channel
from rewardsvc.noise.estimate import NoiseCell, NoiseEstimate
from rewardsvc.noise.prediction_powered import design_based_mean, prediction_powered_mean
from rewardsvc.noise.rates import RateEstimate, youden_of
from rewardsvc.noise.rogan_gladen import rogan_gladen, rogan_gladen_interval
from rewardsvc.noise.smoothing import smooth
from rewardsvc.noise.weights_of_tests import weigh_tests

__all__ = [
    "DO_NOT_GROUP_NORMALISE",
    "Appeal",
    "AppealRefused",
    "AppealedRates",
    "AuditFailed",
    "AuditedVerdict",
    "Channel",
    "Judge",
    "NoiseCell",
    "NoiseEstimate",
    "RateEstimate",
    "design_based_mean",
    "estimate_noise",
    "estimate_rate",
    "leave_one_out_advantages",
    "prediction_powered_mean",
    "rates_from_appeals",
    "rogan_gladen",
    "rogan_gladen_interval",
    "smooth",
    "weigh_tests",
    "youden_of",
]
