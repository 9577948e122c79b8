"""C++: compiled once in a box of its own, then run as a static binary that needs no file.

Covers: the compiler runs where it may start its helpers but sees no network and only its own
directory; the binary runs under the strict filter, from a sealed memfd, and can execute nothing
else. Identical sources are compiled once. `bits/stdc++.h` is precompiled on first use.
Does not cover: tests compiled into the program (its `exit(0)` would pass them): stdio only.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rewardsvc_verifiers.code.languages.base import CompileFailedError, Program
from rewardsvc_verifiers.code.suite import Limits, TestSuite
from rewardsvc_verifiers.code.workers import Toolbox
from rewardsvc_verifiers.sandbox import channel
from rewardsvc_verifiers.sandbox.host import ChildLimits, SandboxError, Stop
from rewardsvc_verifiers.sandbox.profile import MEBIBYTE, Profile

_PROGRAMS = "rewardsvc_verifiers.code.programs.native"
_FLAGS = ("-O2", "-std=gnu++17", "-w", "-pipe", "-static", "-fmax-errors=5")
_HEADER_FLAGS = ("-O2", "-std=gnu++17", "-w")
_STRICT = Profile("native", _PROGRAMS)
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")
_LARGEST_BINARY = 64 * MEBIBYTE


class Cpp:
    """g++, C++17 with GNU extensions, as judges compile."""

    name = "cpp"
    fence_tags = frozenset({"cpp", "c++", "cc", "cxx", "cplusplus"})

    def missing(self) -> str | None:
        """g++ and the static C library."""
        return None if _compiler() else "g++ is not installed"

    def build(self, source: str, suite: TestSuite, toolbox: Toolbox, limits: Limits) -> Program:
        """Compiles, or takes the binary of an identical source from the cache."""
        data = source.encode("utf-8", "surrogatepass")
        key = hashlib.sha256(b"cpp\0" + data).hexdigest()
        binary = toolbox.cache.get(key)
        if binary is None:
            binary = self._compile(data, toolbox, limits)
            toolbox.cache.put(key, binary)
        stack = min(256 * MEBIBYTE, limits.memory_bytes // 2)
        return Program(
            _STRICT, b"", "execute", {"execute_fd": 100, "from": 3, "name": "solution"},
            files=(binary,), executable_files=True, stack_bytes=stack,
        )  # fmt: skip

    def _compile(self, source: bytes, toolbox: Toolbox, limits: Limits) -> bytes:
        compiler = _compiler()
        if compiler is None:
            raise SandboxError("g++ is not installed")
        headers = str(toolbox.once("cpp-headers", _precompile_headers))
        profile = Profile(
            "c++ compiler", _PROGRAMS, read=(*_SYSTEM, headers),
            execute=("/usr", "/lib", "/lib64", "/bin"), compiler=True,
            box_bytes=256 * MEBIBYTE,
        )  # fmt: skip
        command = [compiler, *_FLAGS, f"-I{headers}", "main.cpp", "-o", "main"]
        child = ChildLimits(
            limits.compile_cpu_seconds, 3 * limits.compile_cpu_seconds + 5,
            2048 * MEBIBYTE, _LARGEST_BINARY, 64 * MEBIBYTE,
        )  # fmt: skip
        with toolbox.zygote(profile).job() as job:
            job.load(source, {}, cpu_seconds=5, memory_bytes=1024 * MEBIBYTE)
            nothing = channel.sealed_memfd(b"")
            messages, output = channel.memfd(), channel.memfd()
            try:
                ended = job.run(
                    "compile", {"command": command, "source": "main.cpp", "result": "main"},
                    (nothing, messages, messages, output), child,
                )  # fmt: skip
                said = channel.read_all(messages, 4096).decode("utf-8", "replace")
                binary = channel.read_all(output, _LARGEST_BINARY)
            finally:
                for descriptor in (nothing, messages, output):
                    os.close(descriptor)
        if ended.stop is Stop.STARVED:
            raise SandboxError("the compiler was kept from running")
        if ended.exit_code != 0 or not binary:
            raise CompileFailedError(said.strip() or f"the compiler ended with {ended}")
        return binary


@functools.cache
def _compiler() -> str | None:
    found = shutil.which("g++", path="/usr/bin:/bin:/usr/local/bin")
    return os.path.realpath(found) if found else None


def _precompile_headers() -> Path:
    """Precompiles <bits/stdc++.h>, our own input, outside any box; empty where that fails."""
    directory = Path(tempfile.mkdtemp(prefix="rewardsvc-headers-"))
    directory.chmod(0o755)
    (directory / "bits").mkdir(mode=0o755)
    source = directory / "all.h"
    source.write_text("#include <bits/stdc++.h>\n")
    target = directory / "bits" / "stdc++.h.gch"
    compiler = _compiler()
    assert compiler is not None
    subprocess.run(
        [compiler, *_HEADER_FLAGS, "-x", "c++-header", str(source), "-o", str(target)],
        check=False, capture_output=True, timeout=300, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    if target.exists():
        target.chmod(0o644)
    return directory
