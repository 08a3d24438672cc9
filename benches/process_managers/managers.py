"""One class for each manager: how it is configured, started, asked and stopped.

Each is configured to start a program again as fast as its documentation allows, and keeps its
defaults otherwise. Nothing in here measures.
"""

import json
import os
import shutil
import socket
import time
from pathlib import Path

import world

FOREVER = 1_000_000_000


class Manager:
    """What the benchmark asks of a manager; `home` is its own directory, `tools` where peers are."""

    name = ""
    #: Seconds that a program must have run before its death counts as the first one.
    stable = 0.1
    #: Seconds between two looks for deaths, of those that look from time to time.
    tick = 0.0
    #: What one should know about its configuration; stands below the tables.
    note = ""
    #: It has a command that shows the state of all programs.
    has_status = True

    def __init__(self, tools, home, program):
        self.tools, self.home, self.program = tools, home, program
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        self.marks = world.Marks(home / "marks")
        self.log = home / "words.log"
        self.env = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
        self.env["HOME"] = str(home)

    def prepare(self, count):
        """Writes the configuration and starts the daemon, where that is a command of its own."""

    def start(self):
        """The command that starts all programs."""

    def status(self):
        """The command that shows all programs: its argument vector."""

    def stop(self):
        """The command that stops all programs."""

    def roots(self):
        """The manager's own processes, or the first ones of them."""
        return [self.daemon.pid]

    def put_away(self):
        """Removes what would outlive the processes of a manager that is killed."""

    def run(self, *argv, timeout=120):
        return world.run([*map(str, argv)], env=self.env, cwd=self.home, log=self.log, timeout=timeout)

    def launch(self, *argv):
        self.daemon = world.launch([*map(str, argv)], env=self.env, cwd=self.home, log=self.log)

    def wait_for(self, condition, what):
        deadline = time.monotonic() + 20
        while not condition():
            if time.monotonic() > deadline:
                words = self.log.read_text(errors="replace")[-600:] if self.log.exists() else ""
                raise RuntimeError(f"{self.name}: {what} did not come: {words}")
            time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Ours(Manager):
    """mcp-supervisor. An app has at most 256 instances, so many programs are several apps."""

    name = "ours"
    note = "`start` includes the start of the supervisor itself, `stop` its end"

    def __init__(self, tools, home, program, binary, label="ours"):
        super().__init__(tools, home, program)
        self.binary, self.name = Path(binary).resolve(), label

    def prepare(self, count):
        lines = ['[supervisor]\nmetrics = "127.0.0.1:0"\n']
        for number in range(0, count, 100):
            lines.append(
                f"[apps.p{number // 100}]\n"
                f'exec = ["{self.program}", "{self.marks.path}"]\n'
                f"instances = {min(100, count - number)}\n"
                'ready = "1ms"\n'
                f'restart = {{ backoff_min = "1ms", stable_after = "50ms", '
                f'max_restarts = 10000, window = "1s" }}\n'
            )
        (self.home / "ecosystem.toml").write_text("".join(lines))

    def start(self):
        self.run(self.binary, "start")

    def status(self):
        return [self.binary, "status"]

    def stop(self):
        self.run(self.binary, "stop")

    def roots(self):
        return [json.loads(self.run(self.binary, "status", "--json"))["pid"]]

    def put_away(self):
        # A supervisor that is killed leaves its empty cgroups to the next one.
        try:
            self.stop()
        except (RuntimeError, OSError, world.subprocess.TimeoutExpired):
            pass


class Pm2(Manager):
    """PM2, fork mode. The daemon runs before the start is measured."""

    name = "pm2"
    stable = 1.1

    def prepare(self, count):
        self.env |= {"PM2_HOME": str(self.home / "pm2"), "PM2_DISABLE_VERSION_CHECK": "true"}
        self.pm2 = self.tools / "npm/node_modules/.bin/pm2"
        app = {
            "name": "p", "script": str(self.program), "args": str(self.marks.path),
            "instances": count, "exec_mode": "fork", "interpreter": "none", "autorestart": True,
            "restart_delay": 0, "max_restarts": FOREVER, "min_uptime": 1000, "vizion": False,
            "pmx": False,
        }
        (self.home / "ecosystem.json").write_text(json.dumps({"apps": [app]}))
        self.run(self.pm2, "ping")

    def start(self):
        self.run(self.pm2, "start", "ecosystem.json", timeout=300)

    def status(self):
        return [self.pm2, "list"]

    def stop(self):
        self.run(self.pm2, "stop", "all")

    def roots(self):
        return [int((self.home / "pm2/pm2.pid").read_text())]


class Supervisord(Manager):
    """supervisor for Python. The daemon runs before the start is measured."""

    name = "supervisord"
    tick = 1.0
    note = "looks for deaths once a second; nothing sets that"

    def prepare(self, count):
        door = self.home / "supervisor.sock"
        self.config = self.home / "supervisord.conf"
        self.config.write_text(
            f"[unix_http_server]\nfile={door}\n"
            f"[supervisord]\nlogfile={self.home}/supervisord.log\n"
            f"pidfile={self.home}/supervisord.pid\nchildlogdir={self.home}\nminfds=16384\n"
            "nodaemon=true\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisorctl]\nserverurl=unix://{door}\n"
            f"[program:p]\ncommand={self.program} {self.marks.path}\n"
            f"process_name=%(program_name)s_%(process_num)d\nnumprocs={count}\nautostart=false\n"
            f"autorestart=true\nstartsecs=0\nstartretries={FOREVER}\n"
        )
        self.launch(self.tools / "python/bin/supervisord", "-c", self.config)
        self.wait_for(door.exists, "its socket")

    def control(self, *words):
        return [self.tools / "python/bin/supervisorctl", "-c", self.config, *words]

    def start(self):
        self.run(*self.control("start", "p:*"))

    def status(self):
        return self.control("status")

    def stop(self):
        self.run(*self.control("stop", "p:*"))


class Circus(Manager):
    """circus. Deaths are looked for every `check_delay`, five seconds by default."""

    name = "circus"
    check_delay = 5
    tick = 5.0
    note = "finds deaths by looking every `check_delay` = 5 s, its default"

    def prepare(self, count):
        ports = [free_port() for _ in range(3)]
        self.endpoint = f"tcp://127.0.0.1:{ports[0]}"
        (self.home / "circus.ini").write_text(
            f"[circus]\nendpoint = {self.endpoint}\npubsub_endpoint = tcp://127.0.0.1:{ports[1]}\n"
            f"check_delay = {self.check_delay}\n"
            f"[watcher:p]\ncmd = {self.program} {self.marks.path}\nnumprocesses = {count}\n"
            "max_retry = -1\nautostart = False\n"
        )
        self.launch(self.tools / "python/bin/circusd", self.home / "circus.ini")
        self.wait_for(lambda: self.answers(), "its endpoint")

    def answers(self):
        try:
            self.run(*self.control("numwatchers"))
            return True
        except RuntimeError:
            return False

    def control(self, *words):
        return [self.tools / "python/bin/circusctl", "--endpoint", self.endpoint, *words]

    def start(self):
        self.run(*self.control("start", "p"))

    def status(self):
        return self.control("list", "p")

    def stop(self):
        self.run(*self.control("stop", "p"))


class CircusTuned(Circus):
    """circus that looks for deaths every 100 ms, at the price of its quiet."""

    name = "circus-tuned"
    check_delay = 0.1
    tick = 0.1
    note = "is circus with `check_delay` = 0.1 s"


class Oxmgr(Manager):
    """OxMgr. The daemon runs before the start is measured."""

    name = "oxmgr"

    def prepare(self, count):
        self.binary = self.tools / "oxmgr/bin/oxmgr"
        self.env |= {
            "OXMGR_HOME": str(self.home / "oxmgr"),
            "OXMGR_DAEMON_ADDR": f"127.0.0.1:{free_port()}",
            "OXMGR_API_ADDR": f"127.0.0.1:{free_port()}",
        }
        (self.home / "oxfile.toml").write_text(
            f'version = 1\n[[apps]]\nname = "p"\ncommand = "{self.program} {self.marks.path}"\n'
            f'instances = {count}\nrestart_policy = "always"\nrestart_delay_secs = 0\n'
            "crash_restart_limit = 0\nmax_restarts = 1000000\n"
        )
        self.launch(self.binary, "daemon", "run")
        self.wait_for(lambda: self.answers(), "its port")

    def answers(self):
        try:
            self.run(self.binary, "list")
            return True
        except RuntimeError:
            return False

    def start(self):
        self.run(self.binary, "apply", "oxfile.toml", timeout=300)

    def status(self):
        return [self.binary, "list"]

    def stop(self):
        self.run(self.binary, "stop", "all")


class Services(Manager):
    """runit and s6: a directory for each program, a supervising process for each program."""

    stable = 1.2

    def prepare(self, count):
        library = self.tools / "debian/usr/lib/x86_64-linux-gnu"
        self.env["LD_LIBRARY_PATH"] = str(library)
        self.bin = self.tools / "debian/usr/bin"
        # runsvdir looks for runsv in its search path.
        self.env["PATH"] = f"{self.bin}:{self.env['PATH']}"
        self.directory = self.home / "services"
        self.services = [self.directory / f"p{number}" for number in range(count)]
        for service in self.services:
            service.mkdir(parents=True)
            (service / "run").symlink_to(self.program)
            (service / "marks").symlink_to(self.marks.path)


class Runit(Services):
    """runit: runsvdir and a runsv for each program."""

    name = "runit"
    note = "has no log capture of its own here"

    def start(self):
        self.launch(self.bin / "runsvdir", self.directory)

    def status(self):
        return [self.bin / "sv", "status", *self.services]

    def stop(self):
        self.run(self.bin / "sv", "down", *self.services)


class S6(Services):
    """s6: s6-svscan and an s6-supervise for each program."""

    name = "s6"
    note = "has no log capture of its own here; status of all is one command for each program"

    def prepare(self, count):
        super().prepare(count)
        # Debian's s6-svscan knows its s6-supervise as /usr/bin/s6-supervise, where we install
        # nothing: our copy of it looks in the directory that it scans instead.
        built_in, ours = b"/usr/bin/s6-supervise\0", b"./.s6-supervise\0"
        binary = self.tools / "debian/usr/bin/s6-svscan"
        self.svscan = self.home / "s6-svscan"
        self.svscan.write_bytes(binary.read_bytes().replace(built_in, ours.ljust(len(built_in), b"\0")))
        self.svscan.chmod(0o755)
        (self.directory / ".s6-supervise").symlink_to(binary.parent / "s6-supervise")

    def start(self):
        self.launch(self.svscan, "-c", "2000", self.directory)

    def status(self):
        return self.each("s6-svstat")

    def stop(self):
        self.run(*self.each("s6-svc -d"))

    def each(self, command):
        return ["/bin/sh", "-c", f'for one; do {command} "$one"; done', "sh", *self.services]


class Floor(Manager):
    """posix_spawn, pidfd, poll and nothing else."""

    name = "floor"
    has_status = False
    note = "is a respawn loop of 80 lines of C without any function of a manager"

    def prepare(self, count):
        self.count = count

    def start(self):
        self.launch(self.tools / "floor", self.program, self.marks.path, self.count)

    def stop(self):
        self.daemon.terminate()


PEERS = {one.name: one for one in (Pm2, Oxmgr, Supervisord, Circus, CircusTuned, Runit, S6, Floor)}
