"""Trains reward-model ensembles on preference pairs and objectives on labelled scores.

`ensemble` is the way through: pairs are read (`preference_pairs`), split by prompt (`splits`),
cleaned by votes where asked (`votes`), members trained (`member`, `losses`) from a base
(`bases`), and what is needed to serve them written beside them. Nothing is imported here, so
that the command line stays light.
"""
