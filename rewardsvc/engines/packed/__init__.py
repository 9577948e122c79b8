"""Packed forward passes of Hugging Face decoders: no padding, shared prefixes once.

`layout` says which tokens lie where (numpy alone); `trunk` runs them (torch).
"""
