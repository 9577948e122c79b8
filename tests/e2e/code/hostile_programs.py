# ruff: noqa: E501 - programs read best unbroken
"""Hostile programs, and how each must end. Each is run once, on input `7`, expecting `42`.

`statuses` are those allowed; `levels` the levels at which the program is expected to end so
(None: all). What a program prints when it got away with something is never `42`.
"""

from __future__ import annotations

from dataclasses import dataclass

RE, WA, TLE, MLE, OLE, CE, OK = (
    "runtime_error", "wrong_answer", "time_limit", "memory_limit", "output_limit",
    "compile_error", "passed",
)  # fmt: skip


@dataclass(frozen=True)
class Hostile:
    """A program and the statuses it may end with."""

    name: str
    source: str
    statuses: tuple[str, ...]
    levels: tuple[int, ...] | None = None


ESCAPED = "print('escaped')"


def attempt(action: str, imports: str = "import os") -> str:
    """A program that does something forbidden and says so when it worked."""
    return f"{imports}\n{action}\n{ESCAPED}\n"


CTYPES = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)"


def call(expression: str) -> str:
    """A program that makes a raw libc call, and raises when the kernel refuses."""
    return (
        f"{CTYPES}\nif {expression} == -1: raise OSError(ctypes.get_errno(), 'refused')\n{ESCAPED}"
    )


FILES = (
    Hostile("read_passwd", attempt("open('/etc/passwd').read()"), (RE,), (1, 2, 3)),
    Hostile("read_shadow", attempt("open('/etc/shadow').read()"), (RE,)),
    Hostile("read_tests_file", attempt("open(TESTS_FILE).read()"), (RE,), (1, 2, 3)),
    Hostile(
        "symlink_to_tests_file",
        attempt("os.symlink(TESTS_FILE, 'link'); open('link').read()"), (RE,), (1, 2, 3),
    ),
    Hostile("list_logs", attempt("os.listdir('/var/log')"), (RE,), (1, 2, 3)),
    Hostile("write_root", attempt("open('/escaped', 'w').write('x')"), (RE,)),
    Hostile("write_usr", attempt("open('/usr/lib/escaped', 'w')"), (RE,)),
    Hostile("write_shared_memory", attempt("open('/dev/shm/escaped', 'w')"), (RE,), (1, 2, 3)),
    Hostile("write_tmp_above_box", attempt("open('/tmp/../escaped', 'w')"), (RE,)),
    Hostile("fill_disk", attempt("f = open('big', 'wb')\nfor i in range(600):\n"
                                 "  f.write(bytes(1 << 20)); f.flush()"), (RE, OLE), (1, 2, 3)),
    Hostile("many_big_files", attempt("for i in range(100):\n  f = open(f'f{i}', 'wb')\n"
                                      "  f.write(bytes(3 << 20)); f.close()"), (RE,), (1, 2, 3)),
    Hostile("fill_inodes", attempt("for i in range(100000): open(f'f{i}', 'w').close()"),
            (RE,), (1, 2, 3)),
    Hostile("deep_directories", attempt("for i in range(100000):\n  os.mkdir('d'); os.chdir('d')"),
            (RE,), (1, 2, 3)),
    Hostile("device_node", attempt("os.mknod('disk', 0o60600, os.makedev(8, 0))"), (RE,)),
    Hostile("proc_parent_memory", attempt("open(f'/proc/{os.getppid()}/mem', 'rb').read(1)"),
            (RE,)),
    Hostile("proc_parent_environment", attempt("open(f'/proc/{os.getppid()}/environ').read()"),
            (RE,)),
    Hostile("proc_one_environment", attempt("open('/proc/1/environ').read()"), (RE,)),
    Hostile("proc_self_memory", attempt("open('/proc/self/mem', 'r+b')"), (RE,)),
    Hostile("chroot", attempt("os.chroot('.')"), (RE,)),
)  # fmt: skip

NETWORK = (
    Hostile("tcp", attempt("socket.socket().connect(('127.0.0.1', 80))", "import socket"), (RE,)),
    Hostile("udp", attempt("socket.socket(type=socket.SOCK_DGRAM)", "import socket"), (RE,)),
    Hostile("unix_socket", attempt("socket.socket(socket.AF_UNIX)", "import socket"), (RE,)),
    Hostile("abstract_by_pair", attempt(
        "a, b = socket.socketpair(type=socket.SOCK_DGRAM); a.sendto(b'x', '\\0name')",
        "import socket"), (RE,)),
    Hostile("netlink", attempt("socket.socket(16, 3, 0)", "import socket"), (RE,)),
    Hostile("raw", attempt("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "import socket"),
            (RE,)),
)  # fmt: skip

PROCESSES = (
    Hostile("fork", attempt("os.fork()"), (RE,)),
    Hostile("fork_bomb", "import os\nwhile True:\n  os.fork()\n", (RE,)),
    Hostile("caught_fork_bomb", "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
            (TLE,)),
    Hostile("daemon", attempt("os.setsid(); os.fork(); os.fork()"), (RE,)),
    Hostile("vfork_by_number", call("libc.syscall(58)"), (RE,)),
    Hostile("clone_by_number", call("libc.syscall(56, 17, 0, 0, 0, 0)"), (RE,)),
    Hostile("clone3_by_number", call("libc.syscall(435, 0, 0)"), (RE,)),
    Hostile("subprocess", attempt("subprocess.run(['/bin/sh', '-c', 'true'])", "import subprocess"),
            (RE,)),
    Hostile("system", "import os\nif os.system('true') != 0: raise OSError\nprint('escaped')",
            (RE,)),
    Hostile("execve", attempt("os.execv('/bin/sh', ['sh', '-c', 'echo escaped'])"), (RE,)),
    Hostile("exec_by_descriptor", attempt(
        "import sys\nos.execve(os.open(sys.executable, os.O_RDONLY), ['x'], {})"), (RE,)),
    Hostile("posix_spawn", attempt("os.posix_spawn('/bin/true', ['true'], {})"), (RE,)),
    Hostile("multiprocessing", attempt(
        "p = multiprocessing.Process(target=print); p.start(); p.join()",
        "import multiprocessing"), (RE,)),
    Hostile("thread_bomb", "import threading, time\nwhile True:\n"
            "  threading.Thread(target=time.sleep, args=(60,), daemon=True).start()", (RE, MLE)),
    Hostile("small_thread_bomb", "import threading, time\nthreading.stack_size(32768)\nwhile True:\n"
            "  threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            (RE, MLE, TLE)),
    Hostile("kill_parent", attempt("os.kill(os.getppid(), 9)"), (RE,)),
    Hostile("kill_everyone", attempt("os.kill(-1, 9)"), (RE,)),
    Hostile("kill_group", attempt("os.kill(0, 9)"), (RE,)),
    Hostile("kill_one", attempt("os.kill(1, 9)"), (RE,)),
    Hostile("signal_by_owner", attempt(
        "import fcntl\nfcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())"), (RE,)),
    Hostile("ptrace", call("libc.syscall(101, 16, os.getppid(), 0, 0)"), (RE,)),
    Hostile("read_parent", call(
        "libc.syscall(310, os.getppid(), 0, 0, 0, 0, 0)"), (RE,)),
    Hostile("steal_descriptor", call("libc.syscall(438, 0, 0, 0)"), (RE,)),
    Hostile("stop_the_runner", attempt("os.kill(os.getppid(), 19)"), (RE,)),
)  # fmt: skip

PRIVILEGES = (
    Hostile("become_root", attempt("os.setuid(0)"), (RE,)),
    Hostile("user_namespace", call("libc.unshare(0x10000000)"), (RE,)),
    Hostile("clone_user_namespace", call("libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)"), (RE,)),
    Hostile("mount", call("libc.mount(b'none', b'/w', b'tmpfs', 0, None)"), (RE,)),
    Hostile("unmount", call("libc.umount2(b'/w/box', 2)"), (RE,)),
    Hostile("io_uring", call("libc.syscall(425, 8, bytes(120))"), (RE,)),
    Hostile("bpf", call("libc.syscall(321, 0, bytes(72), 72)"), (RE,)),
    Hostile("keyctl", call("libc.syscall(250, 0, -3, 1)"), (RE,)),
    Hostile("memfd", attempt("os.memfd_create('x')"), (RE,)),
    Hostile("shared_memory", call("libc.shmget(0, 4096, 0o1600)"), (RE,)),
    Hostile("message_queue", call("libc.msgget(0, 0o1600)"), (RE,)),
    Hostile("perf", call("libc.syscall(298, bytes(128), 0, -1, -1, 0)"), (RE,)),
    Hostile("userfaultfd", call("libc.syscall(323, 0)"), (RE,)),
    Hostile("raise_limits", attempt("import resource\n"
            "resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))"), (RE,)),
    Hostile("raise_parents_limits", call("libc.syscall(302, os.getppid(), 9, bytes(16), 0)"),
            (RE,)),
    Hostile("dumpable", call("libc.prctl(4, 1, 0, 0, 0)"), (RE,)),
    Hostile("survive_parent", call("libc.prctl(1, 0, 0, 0, 0)"), (RE,)),
    Hostile("own_filter", call("libc.syscall(317, 1, 0, 0)"), (RE,)),
    Hostile("terminal_injection", attempt("import fcntl\nfcntl.ioctl(0, 0x5412, b'x')"), (RE,)),
    Hostile("x32_call", f"{CTYPES}\nlibc.syscall(0x40000000 + 39)\n{ESCAPED}", (RE,)),
    Hostile("environment_secret", "import os\nprint(os.environ.get('REWARDSVC_TEST_SECRET'))",
            (WA,)),
    Hostile("leaked_descriptors", "import os\nn = 0\nfor i in range(3, 1100):\n"
            "  try: os.fstat(i); n += 1\n  except OSError: pass\nprint(42 if n == 0 else n)", (OK,)),
)  # fmt: skip

RESOURCES = (
    Hostile("eight_gigabytes", "x = bytearray(8 << 30)", (MLE,)),
    Hostile("slow_growth", "x = []\nwhile True: x.append(bytes(1 << 20))", (MLE,)),
    Hostile("caught_growth", "x = []\nwhile True:\n  try: x.append(bytes(1 << 22))\n"
            "  except MemoryError: pass", (TLE, MLE)),
    Hostile("shared_mapping", "import mmap\nm = mmap.mmap(-1, 3 << 30)\n", (RE, MLE)),
    Hostile("spin", "while True: pass", (TLE,)),
    Hostile("sleep", "import time\ntime.sleep(1000)", (TLE,)),
    Hostile("stop_self", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", (TLE,)),
    Hostile("wait_for_input", "import os\nr, w = os.pipe()\nos.read(r, 1)", (TLE,)),
    Hostile("ignore_signals", "import signal\nfor s in range(1, 65):\n  try: signal.signal(s, "
            "signal.SIG_IGN)\n  except (OSError, ValueError): pass\nwhile True: pass", (TLE,)),
    Hostile("catch_everything", "while True:\n  try:\n    while True: pass\n"
            "  except BaseException: pass", (TLE,)),
    Hostile("catastrophic_regex", "import re\nre.match('(a+)+$', 'a' * 40 + 'b')", (TLE,)),
    Hostile("big_power", "x = 7 ** (10 ** 9)", (TLE, MLE)),
    Hostile("endless_output", "while True: print('x' * 100000)", (OLE,)),
    Hostile("endless_errors", "import sys\nwhile True: sys.stderr.write('x' * 100000)", (OLE,)),
    Hostile("caught_output", "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "import os\nfor i in range(100):\n  try: os.write(1, bytes(1 << 20))\n"
            "  except OSError: pass", (OLE,)),
    Hostile("sparse_output", "import os\nos.ftruncate(1, 1 << 40)", (OLE, RE)),
    Hostile("recursion", "import sys\nsys.setrecursionlimit(10 ** 9)\n"
            "def f(n): return f(n + 1)\nf(0)", (MLE, TLE, RE)),
    Hostile("segfault", "import ctypes\nctypes.string_at(0)", (RE,)),
    Hostile("abort", "import os\nos.abort()", (RE,)),
    Hostile("minus_bomb", "x = " + "-" * 2_000_000 + "1", (CE,)),
    Hostile("parenthesis_bomb", "(" * 1_000_000, (CE,)),
    Hostile("nul_byte", "print(42)\0", (CE,)),
    Hostile("literal_bomb", "x = [" + "0," * 2_000_000 + "]\n" + "(" * 300, (CE,)),
    Hostile("power_literal", "x = 9 ** 9 ** 9 ** 9", (TLE, MLE, CE)),
    Hostile("bad_encoding", "# coding: nonsense\nprint(41)", (CE, WA)),
)  # fmt: skip

OUTPUT_FORGING = (
    Hostile("exit_at_once", "import sys\nsys.exit(0)", (WA,)),
    Hostile("hard_exit_at_once", "import os\nos._exit(0)", (WA,)),
    Hostile("exit_handler_after_error", "import atexit, os\natexit.register(os._exit, 0)\n1 / 0",
            (WA,)),
    Hostile("patched_exit_and_right", "import os\nos._exit = lambda code: None\nprint(42)",
            (OK, RE)),
    Hostile("right_but_failing", "print(42, flush=True)\n1 / 0", (RE,)),
    Hostile("right_but_killed", "import os\nprint(42, flush=True)\nos.kill(os.getpid(), 9)",
            (RE,)),
    Hostile("search_frames", """
import gc, sys
seen = []
frame = sys._getframe()
while frame:
    seen += [repr(frame.f_locals), repr(frame.f_code.co_consts)]
    frame = frame.f_back
for thing in gc.get_objects():
    if isinstance(thing, (str, bytes, dict, list, tuple)) and len(thing) < 1000:
        try: seen.append(repr(thing))
        except Exception: pass
print('found' if any('-'.join(['SECRET', 'EXPECTED']) in text for text in seen) else 'nothing')
""", (WA,)),
    Hostile("forge_on_all_descriptors", """
import os, json
for fd in range(0, 64):
    for text in (b'passed', b'{"status": 0, "passed": true, "cpu": 0.1}', b'42?'):
        try: os.write(fd, text)
        except OSError: pass
""", (WA, RE)),
    Hostile("invalid_utf8", "import os\nos.write(1, b'\\xff\\xfe42\\xff')", (WA,)),
    Hostile("closed_output", "import os\nos.close(1)\n", (WA, RE)),
    Hostile("digits", "print('9' * 100000)", (WA,)),
    Hostile("not_a_number", "print('nan inf -0 1e999999999')", (WA,)),
    Hostile("patch_harness", """
import sys, gc, types
for name, module in list(sys.modules.items()):
    if name.startswith('rewardsvc'):
        for key in list(vars(module)): vars(module)[key] = lambda *a, **k: True
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and thing.__module__.startswith('rewardsvc'):
        thing.__code__ = (lambda *a, **k: 0).__code__
""", (WA, RE)),
    Hostile("overwrite_input", "import os\nos.pwrite(0, b'9', 0)\nprint('escaped')", (RE,)),
)  # fmt: skip

ALL = (
    *FILES, *NETWORK, *PROCESSES, *PRIVILEGES, *RESOURCES, *OUTPUT_FORGING,
)  # fmt: skip

CONTROLS = {
    "threads": "import threading\nr = []\nts = [threading.Thread(target=r.append, args=(i,)) "
    "for i in range(8)]\n[t.start() for t in ts]; [t.join() for t in ts]\nprint(len(r) + 34)",
    "exit_handler_flush": "import atexit\natexit.register(print, 42)",
    "buffered_input": "import sys\nprint(int(sys.stdin.buffer.read()) * 6)",
    "main_guard": "def main(): print(int(input()) * 6)\nif __name__ == '__main__': main()",
    "open_zero": "print(int(open(0).read()) * 6)",
    "thread_left_running": "import threading\nthreading.Timer(0.05, print, (42,)).start()",
    "recursion": "import sys\nsys.setrecursionlimit(20000)\ndef f(n): return 0 if n == 0 else "
    "f(n - 1)\nf(15000)\nprint(42)",
    "big_recursion_in_thread": "import sys, threading\nsys.setrecursionlimit(10**6)\n"
    "threading.stack_size(1 << 27)\ndef f(n): return 0 if n == 0 else f(n - 1)\n"
    "t = threading.Thread(target=lambda: (f(50000), print(42))); t.start(); t.join()",
    "exit_code_zero": "print(42)\nexit(0)",
    "stderr_is_free": "import sys\nprint('debug', file=sys.stderr)\nprint(42)",
    "self_signal": "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: print(42))\n"
    "os.kill(os.getpid(), signal.SIGUSR1)",
    "random_and_time": "import random, time\nrandom.random(); time.time(); print(42)",
}
FILE_CONTROLS = {
    "tempfile": "import tempfile\nwith tempfile.TemporaryFile() as f:\n  f.write(b'42'); "
    "f.seek(0); print(f.read().decode())",
    "file_in_box": "open('a.txt', 'w').write('42')\nprint(open('a.txt').read())",
}
IMPORT_CONTROLS = {
    "asyncio": "import asyncio\nasync def main(): await asyncio.sleep(0.001); print(42)\n"
    "asyncio.run(main())",
    "lazy_import": "import colorsys, wave\nprint(42)",
}
