"""JavaScript: node, one process per test, with a bootstrap that reads the source from a memfd.

Covers: node is the only thing that may be executed, and only once; memory is bounded as private
memory, since V8 reserves far more address space than it uses.
Does not cover: packages; programs use the language and node's own modules.
"""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

from rewardsvc_verifiers.code.languages.base import Program
from rewardsvc_verifiers.code.suite import Limits, TestSuite
from rewardsvc_verifiers.code.workers import Toolbox
from rewardsvc_verifiers.sandbox.host import SandboxError
from rewardsvc_verifiers.sandbox.profile import MEBIBYTE, Profile

_PROGRAMS = "rewardsvc_verifiers.code.programs.native"
# There is no /proc in the box, so /dev/stdin, which judges' solutions like to read, leads
# nowhere: it is mapped to descriptor 0.
_BOOTSTRAP = """
const fs = require('fs'), Module = require('module');
const size = fs.fstatSync(3).size, data = Buffer.alloc(size);
for (let at = 0; at < size; ) at += fs.readSync(3, data, at, size - at, at);
fs.closeSync(3);
for (const name of ['readFileSync', 'openSync', 'createReadStream', 'readFile']) {
  const original = fs[name];
  fs[name] = (path, ...rest) => path === '/dev/stdin'
    ? (name === 'openSync' ? 0
       : name === 'createReadStream' ? original(null, Object.assign({}, rest[0], {fd: 0}))
       : original(0, ...rest))
    : original(path, ...rest);
}
const program = new Module('/solution.js', null);
program.filename = '/solution.js';
program.paths = [];
require.main = program; process.mainModule = program;
try { new (require('vm').Script)(Module.wrap(data.toString()), {filename: 'solution.js'}); }
catch (error) { console.error(String(error)); process.exit(87); }
program._compile(data.toString(), '/solution.js');
"""
EXIT_SYNTAX = 87


class JavaScript:
    """node, whichever version is installed."""

    name = "javascript"
    fence_tags = frozenset({"javascript", "js", "node", "nodejs", "mjs"})

    def missing(self) -> str | None:
        """node."""
        return None if _node() else "node is not installed"

    def build(self, source: str, suite: TestSuite, toolbox: Toolbox, limits: Limits) -> Program:
        """The source as it is; a syntax error shows when the first test starts."""
        node = _node()
        if node is None:
            raise SandboxError("node is not installed")
        heap = max(32, int(limits.memory_bytes / MEBIBYTE * 0.75))
        command = ["node", f"--max-old-space-size={heap}", "--stack-size=3900",
                   "--single-threaded-gc", "-e", _BOOTSTRAP]  # fmt: skip
        profile = Profile("node", _PROGRAMS, read=_libraries(node), execute=(node, *_loaders()))
        return Program(
            profile, b"", "execute",
            {"execute_fd": 100, "path": node, "command": command},
            files=(source.encode("utf-8", "surrogatepass"),),
            count_data_only=True, extra_memory_bytes=256 * MEBIBYTE,
        )  # fmt: skip


@functools.cache
def _node() -> str | None:
    found = shutil.which("node") or shutil.which("nodejs")
    return os.path.realpath(found) if found else None


def _libraries(node: str) -> tuple[str, ...]:
    """Where a node outside /usr keeps its own libraries, and its OpenSSL settings."""
    beside = Path(node).parent.parent / "lib"
    shipped = (str(beside),) if not node.startswith("/usr/bin/") and beside.is_dir() else ()
    return (*shipped, "/etc/ssl/openssl.cnf")


def _loaders() -> tuple[str, ...]:
    names = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
    return tuple(name for name in names if os.path.exists(name))
