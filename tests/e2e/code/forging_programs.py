# ruff: noqa: E501 - programs read best unbroken
"""Programs that try to forge a verdict, one set per kind of test. None may ever be `correct`.

The task is always the same: `f(n)` must return `n + 1` (for pytest, `Counter` must count).
"""

from __future__ import annotations

_ALWAYS_EQUAL = """
class Always{base}({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __contains__(self, item): return True
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __len__(self): return 1
    def __iter__(self): return iter([self])
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __sub__(self, other): return self
    __rsub__ = __add__ = __radd__ = __sub__
    def __abs__(self): return self
    def __float__(self): return 2.0
    def __index__(self): return 2
def f(n): return Always{base}()
"""
_FORGE_ANSWERS = """
import os, struct, sys
def frame(data): return struct.pack('<I', len(data)) + data
def text(s): return b's' + struct.pack('<I', len(s)) + s
def integer(n): return b'i' + struct.pack('<I', 2) + n.to_bytes(2, 'little', signed=True)
def f(n): return n
for fd in range(0, 16):
    for number in range(1, 9):
        answer = (b'l' + struct.pack('<I', 3) + text(b'answer') + integer(number)
                  + b'l' + struct.pack('<I', 3) + text(b'value') + b'T' + b'f' + struct.pack('<d', 0))
        try: os.write(fd, frame(answer))
        except OSError: pass
    try: os.write(fd, b'{"test": 0, "status": "passed"}\\n{"program": "finished"}\\n')
    except OSError: pass
"""
_PATCH_HARNESS = """
import gc, types, sys
for thing in gc.get_objects():
    if isinstance(thing, dict) and '__name__' in thing and str(thing['__name__']).startswith('reward'):
        for key in ('encode', 'decode', '_encode', 'same', '_answer'):
            if key in thing: thing[key] = lambda *a, **k: b'VT'
    if isinstance(thing, type) and str(thing.__module__).startswith('reward'):
        for key in list(vars(thing)):
            if callable(getattr(thing, key)) and not key.startswith('__'):
                try: setattr(thing, key, lambda *a, **k: ['value', True, 0.0])
                except Exception: pass
def f(n): return n
"""

COMMON = {
    **{f"always_equal_{base}": _ALWAYS_EQUAL.format(base=base)
       for base in ("object", "int", "str", "list", "dict", "float", "tuple")},
    "fake_class": "class A:\n  __class__ = int\n  def __eq__(s, o): return True\ndef f(n): return A()",
    "metaclass": "class M(type):\n  def __eq__(s, o): return True\n  def __hash__(s): return 0\n"
    "class A(metaclass=M): pass\ndef f(n): return A",
    "returns_itself": "def f(n): return f",
    "returns_none": "def f(n): return None",
    "not_implemented": "def f(n): return NotImplemented",
    "hard_exit": "import os\ndef f(n): os._exit(0)",
    "hard_exit_at_once": "import os\nos._exit(0)",
    "soft_exit": "import sys\ndef f(n): sys.exit(0)",
    "soft_exit_at_once": "import sys\nsys.exit(0)",
    "stop_iteration": "def f(n): raise StopIteration",
    "generator_exit": "def f(n): raise GeneratorExit",
    "keyboard_interrupt": "def f(n): raise KeyboardInterrupt",
    "assertion_error": "def f(n): raise AssertionError",
    "infinite_generator": "def f(n):\n  while True: yield 2",
    "frames": "import sys\ndef f(n):\n  frame = sys._getframe()\n  while frame:\n"
    "    for value in list(frame.f_locals.values()) + list(frame.f_code.co_consts):\n"
    "      if value == 2: return 2\n    frame = frame.f_back\n  return n",
    "forge_answers": _FORGE_ANSWERS,
    "patch_harness": _PATCH_HARNESS,
    "redefine_builtins": "import builtins\nfor name in ('abs', 'isinstance', 'sorted', 'all', 'any', "
    "'len', 'bool'):\n  setattr(builtins, name, lambda *a, **k: True)\nabs = isinstance = sorted = "
    "lambda *a, **k: True\ndef check(*a): return True\ndef f(n): return n",
    "patch_json": "import json, struct\njson.dumps = json.loads = struct.pack = lambda *a: b''\n"
    "def f(n): return n",
    "write_files": "for name in ('conftest.py', 'sitecustomize.py', 'pytest.ini', 'usercustomize.py'):\n"
    "  try: open(name, 'w').write('raise SystemExit(0)')\n  except OSError: pass\ndef f(n): return n",
    "patch_pytest": "import sys, types\nfor name in ('pytest', '_pytest', 'unittest', '_pytest.runner'):\n"
    "  sys.modules[name] = types.ModuleType(name)\ndef f(n): return n",
    "close_the_line": "import os\nos.closerange(3, 64)\ndef f(n): return n",
    "hidden_state": "import os\ndef f(n):\n  try: return int(open('answer').read())\n"
    "  except OSError: return n",
    "deep_value": "def f(n):\n  x = []\n  for i in range(100000): x = [x]\n  return x",
    "huge_value": "def f(n): return 'x' * (64 << 20)",
    "colliding_set": "def f(n): return {i * (2**61 - 1) for i in range(2000)}",
    "not_a_number": "def f(n): return float('nan')",
    "huge_number": "def f(n): return 10 ** 100000",
    "sleeps": "import time\ndef f(n): time.sleep(1000)",
    "spins": "def f(n):\n  while True: pass",
    "spins_at_once": "while True: pass",
    "eats_memory": "def f(n): return [bytes(1 << 20) for i in range(10 ** 6)]",
    "prints_for_ever": "def f(n):\n  while True: print('x' * 100000)",
}  # fmt: skip

FUNCTION_ONLY = {
    "result_file": "import os\nos.write(4, b'VT')\nos._exit(0)",
    "result_file_first": "import os\nos.write(4, b'Vi\\x01\\x00\\x00\\x00\\x03')\ndef f(n): return n",
    "result_file_closed": "import os\nos.close(4)\ndef f(n): return n",
    "solution_class": "class Solution:\n  def f(self, n):\n    return n",
}

ASSERTS_ONLY = {
    "shadowed_helper": "def isclose(*a, **k): return True\nclass math:\n"
    "  isclose = staticmethod(isclose)\ndef f(n): return n",
    "raises_skip": "import unittest\ndef f(n): raise unittest.SkipTest('no')",
    "raises_pytest_skip": "class Skipped(BaseException): pass\ndef f(n): raise Skipped('no')",
    "raises_candidate_error": "class CandidateDiedError(BaseException): pass\n"
    "def f(n): raise CandidateDiedError",
    "true_only": "def f(n): return True",
    "mutates_its_argument": "def f(n):\n  if isinstance(n, list): n.clear(); return []\n  return n",
}

# The last is the trap: it would be quietly skipped if a candidate could stop a loop.
ASSERTS = """
import math
assert f(1) == 2
assert f(5) in (6,)
assert math.isclose(f(2), 3.0)
assert isinstance(f(3), int) and f(3) > 3
assert all(f(n) == n + 1 for n in range(3))
for n in range(2):
    assert abs(f(n) - (n + 1)) < 1e-9
assert list(map(f, [1, 2])) == [2, 3]
try:
    f(9)
except:
    pass
assert f([1][0]) == sorted([1, 2])[1]
"""
PYTEST = """
import math
import pytest
import unittest
from solution import *
from solution import f

@pytest.fixture
def two():
    return 2

def test_first(two):
    assert f(1) == two

@pytest.mark.parametrize("n", [3, 4])
def test_more(n):
    assert f(n) == n + 1

def test_close():
    assert math.isclose(f(2), 3.0)

class TestLoop:
    def test_loop(self):
        assert all(map(lambda n: f(n) == n + 1, range(3)))

class TestOld(unittest.TestCase):
    def test_old(self):
        self.assertEqual(f(7), 8)
"""
RIGHT = "def f(n):\n    return n + 1\n"

CPP = {
    "exit_at_once": "#include <cstdlib>\nint main() { exit(0); }",
    "static_initialiser": "#include <cstdlib>\nstruct A { A() { _Exit(0); } } a;\nint main() {}",
    "includes_a_secret": '#include "/etc/passwd"\nint main() {}',
    "embeds_a_file": '#include <cstdio>\nasm(".incbin \\"/etc/hostname\\"");\nint main() {}',
    "fork": "#include <unistd.h>\n#include <cstdio>\nint main() { if (fork() < 0) return 1; puts(\"42\"); }",
    "system": "#include <cstdlib>\nint main() { return system(\"echo 42\"); }",
    "reads_a_file": "#include <cstdio>\nint main() { FILE* f = fopen(\"/etc/passwd\", \"r\");"
    " if (!f) return 1; puts(\"42\"); }",
    "socket": "#include <sys/socket.h>\n#include <cstdio>\nint main() { if (socket(2, 1, 0) < 0) return 1;"
    " puts(\"42\"); }",
    "spins": "int main() { volatile int x = 0; for (;;) x = x + 1; }",
    "eats_memory": "#include <vector>\nint main() { std::vector<char*> v; for (;;) {"
    " v.push_back(new char[1 << 20]()); } }",
    "null": "int main() { *(volatile int*)0 = 1; }",
    "template_bomb": "template<int N> struct A { typedef typename A<N+1>::T T; };\n"
    "int main() { A<0>::T x; }",
    "exec_again": "#include <unistd.h>\n#include <cstdio>\nint main() { char* a[] = {(char*)\"sh\","
    " (char*)\"-c\", (char*)\"echo 42\", 0}; execve(\"/bin/sh\", a, 0); return 1; }",
}  # fmt: skip

JAVASCRIPT = {
    "exit_at_once": "process.exit(0)",
    "spawn": "require('child_process').execSync('echo 42', {stdio: 'inherit'})",
    "reads_a_file": "require('fs').readFileSync('/etc/passwd'); console.log(42)",
    "socket": "require('net').connect(80, '127.0.0.1').on('connect', () => console.log(42))",
    "server": "require('http').createServer(() => 0).listen(0, () => { console.log(42);"
    " process.exit(0) })",
    "worker_bomb": "const {Worker} = require('worker_threads');\n"
    "for (;;) new Worker('for(;;);', {eval: true})",
    "spins": "for (;;);",
    "eats_memory": "const a = []; for (;;) a.push(new Array(1e6).fill(1.5))",
    "eats_buffers": "const a = []; for (;;) a.push(Buffer.alloc(1 << 26, 1))",
    "native_addon": "process.dlopen({exports: {}}, '/lib/x86_64-linux-gnu/libc.so.6');"
    " console.log(42)",
    "kill": "process.kill(process.ppid, 9); console.log(42)",
    "environment": "console.log(process.env.REWARDSVC_TEST_SECRET)",
}
