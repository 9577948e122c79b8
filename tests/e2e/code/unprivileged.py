"""Run as an ordinary user, without capabilities, by test_unprivileged: judges and reports JSON.

With the argument `no-namespaces`, first installs a filter that refuses namespaces and mounts, as
the default profiles of container runtimes do; everything started later inherits it.
"""

from __future__ import annotations

import errno
import json
import os
import sys


def forbid_namespaces() -> None:
    """What RuntimeDefault does to an unprivileged container."""
    from rewardsvc_verifiers.sandbox import linux, privileges, seccomp

    rules: dict[str, seccomp.Rule] = dict.fromkeys(
        ("unshare", "setns", "mount", "umount2", "pivot_root", "mount_setattr"), seccomp.Deny()
    )
    rules["clone3"] = seccomp.Deny(errno.ENOSYS)
    rules["clone"] = seccomp.Allow(((0, linux.CLONE_NEWUSER | linux.CLONE_NEWNS, (0,)),))
    privileges.forbid_new_privileges()
    seccomp.install(seccomp.compile_filter(rules, seccomp.ALLOW))


def main() -> None:
    """Judges some programs and prints what became of them."""
    if "no-namespaces" in sys.argv:
        forbid_namespaces()
    from rewardsvc_verifiers.code import CodeVerifier, Limits, TestSuite

    limits = Limits(cpu_seconds=1, wall_seconds=2, memory_bytes=512 << 20)
    suite = TestSuite.stdio([("7", "42")], extraction="whole", limits=limits)
    call = TestSuite.asserts("f", "assert f(1) == 2\n", extraction="whole", limits=limits)
    parent = os.getpid()
    programs = {
        "right": "print(int(input()) * 6)",
        "wrong": "print(41)",
        "lazy_import": "import asyncio, colorsys\nprint(42)",
        "signal_server": f"import os\nos.kill({parent}, 0)",
        "read_server_memory": f"open('/proc/{parent}/mem', 'rb')",
        "read_server_environment": f"open('/proc/{parent}/environ', 'rb').read()",
        "raise_server_limits": f"import resource\nresource.prlimit({parent}, resource.RLIMIT_CPU)",
        "read_passwd": "open('/etc/passwd')",
        "write_tmp": "open('/tmp/../var/tmp/escaped', 'w')",
        "fork": "import os\nos.fork()",
        "socket": "import socket\nsocket.socket()",
        "spin": "while True: pass",
    }
    with CodeVerifier(workers=1) as verifier:
        judged = {
            name: verifier.verify(program, suite).tests[0].status
            for name, program in programs.items()
        }
        judged["honest_asserts"] = verifier.verify("def f(n): return n + 1", call).outcome
        judged["forged_asserts"] = verifier.verify("import os\nos._exit(0)", call).outcome
        report = {"level": verifier.level.name, "uid": os.geteuid(), "judged": judged}
    with open("/proc/self/status") as stream:
        report["capabilities"] = next(x for x in stream if x.startswith("CapEff")).split()[1]
    print(json.dumps(report))


if __name__ == "__main__":
    main()
