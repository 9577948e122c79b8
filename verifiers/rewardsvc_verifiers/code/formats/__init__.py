"""Dataset rows as suites, one format per file. Rows are dataset data: checked, never run here."""

from rewardsvc_verifiers.code.formats.apps import from_apps
from rewardsvc_verifiers.code.formats.errors import FormatError
from rewardsvc_verifiers.code.formats.evalplus import from_evalplus
from rewardsvc_verifiers.code.formats.humaneval import from_humaneval
from rewardsvc_verifiers.code.formats.livecodebench import from_livecodebench
from rewardsvc_verifiers.code.formats.mbpp import from_mbpp
from rewardsvc_verifiers.code.formats.prime import from_prime
from rewardsvc_verifiers.code.formats.sandbox_fusion import from_sandbox_fusion

__all__ = [
    "FormatError",
    "from_apps",
    "from_evalplus",
    "from_humaneval",
    "from_livecodebench",
    "from_mbpp",
    "from_prime",
    "from_sandbox_fusion",
]
