"""Measures the way of a program's output to its log file; `run.sh` calls it and says how.

One program writes lines of 100 bytes as fast as it can. What is measured is the time until all of
them are in files, and the processor time of the manager, several rounds over all managers in turn.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "process_managers"))

import install  # noqa: E402
import world  # noqa: E402
from managers import Manager, Ours, Pm2, Supervisord  # noqa: E402

TOOLS = HERE.parent.parent / "target/process_managers"
#: How long a manager may take for all of it.
PATIENCE = 120


class OursPlain(Ours):
    """Rotates as supervisord does by default, and does not compress."""

    name = "ours"
    note = "rotates at 50 MB, as supervisord does by default; no compression"
    logs = "compress = false"

    def __init__(self, tools, home, program, binary):
        super().__init__(tools, home, program, binary, self.name)

    def prepare(self, count):
        super().prepare(count)
        config = self.home / "ecosystem.toml"
        config.write_text(f"{config.read_text()}[apps.p0.logs]\n{self.logs}\n")

    def files(self):
        return list((self.home / "logs").glob("p0.out.log*"))


class OursCompressed(OursPlain):
    """With its defaults; the time is until all but the newest rotated file are compressed."""

    name = "ours-compressed"
    note = "rotates at 50 MB and compresses; its processor time includes that"
    logs = ""

    def is_busy(self):
        names = [file.name for file in self.files()]
        return any(not name.endswith((".zst", ".log", ".log.1")) for name in names)


class Pm2Logs(Pm2):
    note = "does not rotate; pm2-logrotate is a module of its own"

    def files(self):
        return list((self.home / "pm2/logs").glob("p-out*.log"))


class SupervisordLogs(Supervisord):
    note = "rotates at 50 MB"

    def files(self):
        return list(self.home.glob("p_0-stdout*"))


class Redirect(Manager):
    """No manager: the program's own output is the file."""

    name = "none"
    note = "is the program with its output redirected: what the kernel alone takes"

    def start(self):
        self.launch("/bin/sh", "-c", f'exec "{self.program}" "{self.marks.path}" >"{self.home}/out"')

    def roots(self):
        return []

    def files(self):
        return list(self.home.glob("out"))


def size(manager):
    """Bytes that went through to files, what is compressed counted as nothing."""
    total = 0
    for file in manager.files():
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            # It has just been given another name.
            return 0
    return total


def measure(manager, megabytes):
    """MB a second, and seconds of processor time for 100 MB."""
    manager.prepare(1)
    manager.start()
    [(began, program)] = manager.marks.wait_for(1, PATIENCE)
    whole, deadline = megabytes * 1_000_000, time.monotonic() + PATIENCE
    compresses = hasattr(manager, "is_busy")
    # What is compressed is smaller: then the program has to be done, and the manager.
    done = Path(f"/proc/{program}/io")
    while True:
        now = time.monotonic_ns()
        if compresses:
            if int(done.read_text().split()[3]) >= whole and not manager.is_busy():
                break
        elif size(manager) >= whole:
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {size(manager)} of {whole} bytes came")
        time.sleep(0.005)
    time.sleep(0.3)
    pids = world.children_of(manager.roots()) - {program}
    used, _ = world.activity(pids)
    return megabytes / ((now - began) / 1e9), used / 1000 / megabytes * 100


def idle_cost(manager):
    """Processor time of a manager that starts a program that writes nothing, in ms."""
    manager.prepare(1)
    manager.start()
    [(_, program)] = manager.marks.wait_for(1, PATIENCE)
    time.sleep(0.6)
    used, _ = world.activity(world.children_of(manager.roots()) - {program})
    return used


def build(tools, megabytes):
    program = tools / f"writer-{megabytes}"
    install.command("cc", "-O2", f"-DMEGABYTES={megabytes}", "-o", program, HERE / "writer.c")
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True, help="our mcp-supervisor")
    parser.add_argument("--managers", default="ours,ours-compressed,pm2,supervisord,none")
    parser.add_argument("--quick", action="store_true", help="100 MB once, instead of 400 MB thrice")
    arguments = parser.parse_args()
    kinds = {one.name: one for one in (OursPlain, OursCompressed, Pm2Logs, SupervisordLogs, Redirect)}
    wanted = [name for name in kinds if name in arguments.managers.split(",")]
    megabytes, rounds = (100, 1) if arguments.quick else (400, 3)

    TOOLS.mkdir(parents=True, exist_ok=True)
    missing = install.install(wanted, TOOLS)
    for name, why in missing.items():
        print(f"{name} is left out: {why}", file=sys.stderr)
    wanted = [name for name in wanted if name not in missing]
    silent, loud = build(TOOLS, 0), build(TOOLS, megabytes)
    world.become_subreaper()
    # In memory: not the disk is measured.
    memory = Path("/dev/shm")
    samples = {name: [] for name in wanted}
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as homes:

        def fresh(name, program):
            more = (arguments.binary,) if issubclass(kinds[name], Ours) else ()
            return kinds[name](TOOLS, Path(homes) / name, program, *more)

        for _ in range(rounds):
            for name in wanted:
                idle = attempt(idle_cost, fresh(name, silent))
                found = attempt(measure, fresh(name, loud), megabytes)
                if idle is not None and found is not None:
                    rate, used = found
                    # What its start costs is not the price of output.
                    samples[name].append((rate, max(0, used - idle / 1000 / megabytes * 100)))
    show(samples, kinds, megabytes, rounds)
    (TOOLS / "logs.json").write_text(json.dumps(samples, indent=1))


def attempt(work, manager, *more):
    try:
        return work(manager, *more)
    except (RuntimeError, OSError, ValueError) as error:
        print(f"{manager.name}: {error}", file=sys.stderr)
        return None
    finally:
        manager.put_away()
        world.end_everything()
        manager.marks.close()


def show(samples, kinds, megabytes, rounds):
    print(f"{megabytes} MB in lines of 100 bytes, one program, the median of {rounds}\n")
    print("| manager | MB/s | processor seconds for 100 MB |")
    print("|---|--:|--:|")
    medians = {
        name: tuple(statistics.median(column) for column in zip(*found))
        for name, found in samples.items() if found
    }
    for name, (rate, used) in medians.items():
        print(f"| {name} | {rate:.0f} | {used:.3f} |")
    print()
    if "ours" in medians and "pm2" in medians:
        (rate, used), (their_rate, their_used) = medians["ours"], medians["pm2"]
        print(f"ours against pm2: {rate / their_rate:.1f} times the rate", end="")
        print(f", {used / their_used:.3f} of the processor time")
    for name in medians:
        if kinds[name].note:
            print(f"- {name}: {kinds[name].note}")


if __name__ == "__main__":
    main()
