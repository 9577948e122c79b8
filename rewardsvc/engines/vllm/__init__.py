"""vLLM in a process of its own, which may be in a Python environment of its own.

`generator` and `pooling` are the parent's side; `worker` runs beside vLLM and imports nothing
of this package that needs more than the standard library, MessagePack and pydantic.
"""
