"""Hours of mixed hostile and ordinary load on the code verifier, and what it holds meanwhile.

python tests/benchmarks/code_soak.py [--minutes 60] [--workers 2]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rewardsvc_verifiers.code import CodeVerifier

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e" / "code"))
import soak


def main() -> None:
    """Runs the load and prints a table of readings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    seconds = options.minutes * 60
    columns = ("seconds", "jobs", "descriptors", "processes", "resident MiB", "sandbox MiB",
               "own mounts")  # fmt: skip
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    with CodeVerifier(workers=options.workers) as verifier:
        readings = soak.run(verifier, seconds, every=max(5.0, seconds / 12), echo=True)
    print(f"misjudged: {len(readings.wrong)}", *readings.wrong[:10], sep="\n")


if __name__ == "__main__":
    main()
