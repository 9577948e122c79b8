"""Runs a dataset through a client, from file to file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rewardsvc.client.aio import AsyncClient
from rewardsvc.errors import ConfigError
from rewardsvc.rescore.output import Claim, OutputFile
from rewardsvc.rescore.records import Line, UnreadableRecord, line_id, lines_of, sample_of_line
from rewardsvc.rescore.summary import Summary
from rewardsvc.types import Result, Sample, Status


async def rescore(
    client: AsyncClient,
    reward: str,
    source: Path,
    target: Path,
    names: Mapping[str, str],
    *,
    on_progress: Callable[[int, Summary], None] = lambda position, summary: None,
) -> Summary:
    """Scores every sample of `source` that `target` does not hold yet, appending to `target`.

    Every line comes out as a result: one that is no sample, or whose id occurred before, with
    status ERROR and a reason naming the line. `on_progress` gets the byte position reached in
    `source` and the counts so far.

    Raises ConfigError for files that cannot be used, and the client's errors; what was
    written until then stays, and a later run goes on from there.
    """
    output = _open_output(source, target)
    summary = Summary()
    position = 0

    def keep(result: Result) -> None:
        output.write(result)
        summary.add(result)
        on_progress(position, summary)

    def keep_unreadable(line: Line, sample_id: str, reason: str) -> None:
        if output.claim(sample_id) is not Claim.NEW:
            summary.skipped += 1
            return
        summary.unreadable += 1
        keep(Result(sample_id, Status.ERROR, f"line {line.number}: {reason}"))

    def samples() -> Iterator[Sample]:
        nonlocal position
        for line in lines_of(source):
            position = line.end
            try:
                sample = sample_of_line(line, names)
            except UnreadableRecord as error:
                keep_unreadable(line, line_id(line), str(error))
                continue
            match output.claim(sample.sample_id):
                case Claim.NEW:
                    yield sample
                case Claim.HELD:
                    summary.skipped += 1
                case Claim.REPEATED:
                    reason = f"sample_id: {sample.sample_id!r} occurs twice in the input"
                    keep_unreadable(line, f"{sample.sample_id} ({line_id(line)})", reason)

    try:
        async for _, result in client.stream(reward, samples(), refused="result"):
            keep(result)
    finally:
        output.close()
    return summary


def _open_output(source: Path, target: Path) -> OutputFile:
    if not source.is_file():
        raise ConfigError(f"{source}: no such file")
    if target.exists() and target.samefile(source):
        raise ConfigError(f"{target}: is the input itself")
    try:
        return OutputFile(target)
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error}") from error
