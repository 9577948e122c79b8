"""A profile: what one kind of zygote preloads, shows and allows. Data only, sent as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of sandbox.

    Attributes:
        name: for messages.
        programs: module with `prepare` (called once in the zygote), `load` (a job's source, in
            the runner) and `MODES` (the functions a test child may be asked to run).
        preload: modules imported before privileges are dropped; jobs get them for free.
        import_paths: `sys.path` entries that preloading needs beyond the standard library.
        read: paths shown read-only.
        execute: paths shown read-only that may also be executed.
        compiler: the box runs a compiler driver, which starts processes of its own.
        box_bytes: size of the writable tmpfs at BOX.
        box_inodes: files and directories it may hold.
    """

    name: str
    programs: str
    preload: tuple[str, ...] = ()
    import_paths: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    execute: tuple[str, ...] = ()
    compiler: bool = False
    box_bytes: int = 64 * MEBIBYTE
    box_inodes: int = 4096

    def to_json(self) -> str:
        """The profile as JSON, for the zygote's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """The inverse of `to_json`."""
        values = json.loads(text)
        for key in ("preload", "import_paths", "read", "execute"):
            values[key] = tuple(values[key])
        return cls(**values)
