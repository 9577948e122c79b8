"""Rewards made of the token probabilities of one language model: one file a measure."""

from rewardsvc.scorers.likelihood.scorer import LikelihoodConfig, LikelihoodScorer

__all__ = ["LikelihoodConfig", "LikelihoodScorer"]
