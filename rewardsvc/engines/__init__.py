"""What does the work: processes that hold a model or run hostile input."""

from rewardsvc.engines.process import EngineCallFailed, EngineCrashed, EngineDown, EngineProcess

__all__ = ["EngineCallFailed", "EngineCrashed", "EngineDown", "EngineProcess"]
