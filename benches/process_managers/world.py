"""What the benchmark sees of the machine: processes, their memory, time and wake-ups, and marks.

Everything that a manager starts stays below the benchmark (it is a subreaper), so that everything
can be found, measured and ended. Nothing in here knows a manager.
"""

import ctypes
import os
import select
import signal
import struct
import subprocess
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
MARK = struct.Struct("=qq")


def become_subreaper():
    """Programs whose manager died become our children, so that we can end them."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")


def children_of(roots):
    """The roots and everyone below them that is alive, as a set of process ids."""
    below = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            state, parent = stat.rsplit(")", 1)[1].split()[:2]
            if state not in "ZX":
                below.setdefault(int(parent), []).append(int(entry))
    found, todo = set(), list(roots)
    while todo:
        pid = todo.pop()
        if pid not in found and Path(f"/proc/{pid}").exists():
            found.add(pid)
            todo.extend(below.get(pid, []))
    return found


def reap_strays():
    """Buries who was left to us; children of `subprocess` wait for their own `wait`."""
    own = {process.pid for process in LAUNCHED}
    for line in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, line.read_text().split()):
            if pid not in own:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass


LAUNCHED = []


def launch(argv, env=None, cwd=None, log=None):
    """Starts a command that goes on; its words go to a file."""
    with open(log or os.devnull, "ab") as words:
        process = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=words, stderr=words
        )
    LAUNCHED.append(process)
    return process


def end_everything():
    """SIGKILL for every process below us, until there is none."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        reap_strays()
        alive = children_of([os.getpid()]) - {os.getpid()}
        if not alive:
            break
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
    for process in LAUNCHED:
        process.wait(5)
    LAUNCHED.clear()


def run(argv, env=None, cwd=None, log=None, timeout=120):
    """Runs a command to its end; raises with its last words when it fails."""
    done = subprocess.run(
        argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, timeout=timeout,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )
    if log:
        Path(log).write_bytes(done.stdout)
    if done.returncode != 0:
        words = done.stdout.decode(errors="replace").strip()[-600:]
        raise RuntimeError(f"`{' '.join(map(str, argv))}` ended with {done.returncode}: {words}")
    return done.stdout.decode(errors="replace")


def time_command(argv, env, cwd):
    """Runs a command to its end, its words thrown away; the time it took in ms."""
    nothing = os.open(os.devnull, os.O_RDWR)
    before = os.getcwd()
    os.chdir(cwd)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, nothing, fd) for fd in (0, 1, 2)]
        began = time.monotonic_ns()
        pid = os.posix_spawn(argv[0], argv, env, file_actions=actions)
        _, status = os.waitpid(pid, 0)
        wall = (time.monotonic_ns() - began) / 1e6
    finally:
        os.chdir(before)
        os.close(nothing)
    if status != 0:
        raise RuntimeError(f"`{argv[0]}` ended with status {status}")
    return wall


class Marks:
    """The FIFO in which programs say when they reached main()."""

    def __init__(self, path):
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.poll = select.poll()
        self.poll.register(self.fd, select.POLLIN)

    def take(self, seconds):
        """The marks that are there, or the first ones that come in this time: (ns, pid)."""
        if not self.poll.poll(max(0, seconds) * 1000):
            return []
        return list(MARK.iter_unpack(os.read(self.fd, MARK.size * 4096 // 16)))

    def wait_for(self, count, seconds):
        """This many marks; fewer when the time is over."""
        deadline, marks = time.monotonic() + seconds, []
        while len(marks) < count and (left := deadline - time.monotonic()) > 0:
            marks.extend(self.take(left))
        return marks

    def close(self):
        os.close(self.fd)


class Departures:
    """Watches processes from now on, for the moment at which the last one has ended."""

    def __init__(self, pids):
        self.poll, self.waiting = select.poll(), set()
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            self.waiting.add(fd)
            self.poll.register(fd, select.POLLIN)

    def wait(self, seconds):
        """That moment in nanoseconds; none when the time is over before it."""
        deadline = time.monotonic() + seconds
        while self.waiting and (left := deadline - time.monotonic()) > 0:
            for fd, _ in self.poll.poll(left * 1000):
                self.poll.unregister(fd)
                os.close(fd)
                self.waiting.remove(fd)
        moment = None if self.waiting else time.monotonic_ns()
        for fd in self.waiting:
            os.close(fd)
        return moment


def memory(pids):
    """Resident and proportional memory of these processes together, in MB."""
    resident = proportional = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                resident += int(line.split()[1])
            elif line.startswith("Pss:"):
                proportional += int(line.split()[1])
    return resident / 1024, proportional / 1024


def activity(pids):
    """Processor time in ms and context switches of all threads of these processes so far."""
    cpu, switches = 0.0, 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                cpu += int((task / "schedstat").read_text().split()[0]) / 1e6
                for line in (task / "status").read_text().splitlines():
                    if "ctxt_switches" in line:
                        switches += int(line.split()[1])
            except OSError:
                continue
    return cpu, switches
