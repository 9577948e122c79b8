"""The bundled demo: generated word problems, rollouts and a tiny reward-model ensemble.

Everything here is made by this package: `problems` and `rollouts` generate text from a seed,
`train` trains the members in `ensemble/` on it. The members know these problems and nothing
else; they are for trying the service out, not for training anything.
"""
