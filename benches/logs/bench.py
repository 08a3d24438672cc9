"""Measures the way of a program's output to its log file; `run.sh` calls it and says how.

Two parts. Side by side: one program writes lines of 100 bytes as fast as it can, each by itself or
many at once; what is measured is the time until all of them are in files, and the processor time of
the manager meanwhile, several rounds over all managers in turn. Steady: a program prints numbered lines at 50 MB a second for a
minute while ours rotates and compresses; then every line is looked for.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
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
#: MB a second of the steady part.
RATE = 50
#: How many lines are in one write, and how many MB are written so.
WAYS = {"a write for each line": (1, 100), "writes of 64 KiB": (655, 400)}


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

    def series(self):
        """The files, oldest first, and what reads them."""
        def number(file):
            rest = file.name.removeprefix("p0.out.log").removesuffix(".zst")
            return int(rest[1:] or 0) if rest else 0

        for file in sorted(self.files(), key=number, reverse=True):
            yield file, ["zstdcat" if file.suffix == ".zst" else "cat", str(file)]


class OursCompressed(OursPlain):
    """With its defaults; the time is until all but the newest rotated file are compressed."""

    name = "ours-compressed"
    note = "rotates at 50 MB and compresses; its processor time includes that"
    logs = ""

    def is_busy(self):
        names = [file.name for file in self.files()]
        return any(not name.endswith((".zst", ".log", ".log.1")) for name in names)


class OursSteady(OursCompressed):
    """With its defaults, but no file is given up: all lines are counted at the end."""

    logs = "max_files = 1000"


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
    note = "is the program with its output redirected: nobody in between takes any time"

    def start(self):
        self.launch("/bin/sh", "-c", f'exec "{self.program}" "{self.marks.path}" >"{self.home}/out"')

    def roots(self):
        return []

    def files(self):
        return list(self.home.glob("out"))


def size(manager):
    """Bytes that went through to files, those that are compressed as they lie there."""
    total = 0
    for file in manager.files():
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            # It has just been given another name.
            return 0
    return total


class Work:
    """A program under a manager that has settled, and what the manager used until then."""

    def __init__(self, manager):
        self.manager = manager
        manager.prepare(1)
        manager.start()
        [(_, self.program)] = manager.marks.wait_for(1, PATIENCE)
        time.sleep(1)
        self.used_before = self.used()
        os.kill(self.program, signal.SIGUSR1)
        [(self.began, _)] = manager.marks.wait_for(1, PATIENCE)

    def used(self):
        """Processor time of the manager without the program, in ms."""
        used, _ = world.activity(world.children_of(self.manager.roots()) - {self.program})
        return used

    def wait(self, is_done, patience=PATIENCE):
        """Waits until it is, and returns the seconds since the program began."""
        deadline = time.monotonic() + patience
        while True:
            now = time.monotonic_ns()
            if is_done():
                return (now - self.began) / 1e9
            if time.monotonic() > deadline:
                raise RuntimeError(f"it is not done: {size(self.manager)} bytes are in files")
            time.sleep(0.005)

    def end(self):
        """The longest write of the program, in ms; none while it has not ended."""
        ended = self.manager.marks.take(0)
        return ended[0][0] / 1e6 if ended else None


def measure(manager, megabytes):
    """MB a second, and seconds of processor time for 100 MB."""
    work = Work(manager)
    if hasattr(manager, "is_busy"):
        # What is compressed is smaller: then the program has to be done, and the manager.
        work.wait(lambda: work.end() is not None)
        seconds = work.wait(lambda: not manager.is_busy())
    else:
        seconds = work.wait(lambda: size(manager) >= megabytes * 1_000_000)
    time.sleep(0.3)
    return megabytes / seconds, (work.used() - work.used_before) / 1000 / megabytes * 100


def steady(manager, megabytes, counter):
    """What became of the lines of a program that prints at a steady rate, and what that took."""
    work, longest = Work(manager), []

    def has_ended():
        end = work.end()
        longest.extend([end] if end is not None else [])
        return bool(longest)

    seconds = work.wait(has_ended, PATIENCE + megabytes / RATE)
    compressed = work.wait(lambda: not manager.is_busy()) - seconds
    used = work.used() - work.used_before
    manager.stop()
    files, lines = list(manager.series()), [0, 0, 0, 0]
    # All files one after the other, as one stream: a line that two files share is whole in it, so
    # each file is looked at by itself as well.
    broken = 0
    with subprocess.Popen([counter], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as count:
        for file, reader in files:
            with subprocess.Popen(reader, stdout=subprocess.PIPE) as content:
                last = b"\n"
                while block := content.stdout.read(1 << 20):
                    count.stdin.write(block)
                    last = block[-1:]
                broken += last != b"\n"
            if content.returncode != 0:
                raise RuntimeError(f"`{' '.join(reader)}` failed")
        count.stdin.close()
        lines = [int(word) for word in count.stdout.read().split()]
    whole, missing, again, torn = lines
    return {
        "seconds": round(seconds, 1), "MB a second": round(megabytes / seconds, 1),
        "rotations": len(files) - 1, "lines whole": whole, "lines lost": missing,
        "lines doubled": again, "lines split": torn + broken,
        "longest write of the program, ms": round(longest[0], 1),
        "compressed after the last line, s": round(compressed, 1),
        "processor seconds for 100 MB": round(used / 1000 / megabytes * 100, 3),
    }


def build(tools, name, source, **numbers):
    program = tools / name
    flags = [f"-D{number}={value}" for number, value in numbers.items()]
    install.command("cc", "-O2", *flags, "-o", program, HERE / source)
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True, help="our mcp-supervisor")
    parser.add_argument("--managers", default="ours,ours-compressed,pm2,supervisord,none")
    parser.add_argument("--parts", default="side-by-side,steady")
    parser.add_argument("--quick", action="store_true",
                        help="one round instead of three; 10 s instead of 60")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    TOOLS.mkdir(parents=True, exist_ok=True)
    world.become_subreaper()
    results = {}
    # In memory: not the disk is measured.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as homes:
        if "side-by-side" in parts:
            results["side by side"] = side_by_side(arguments, Path(homes))
        if "steady" in parts:
            results["steady"] = steady_part(arguments, Path(homes))
    (TOOLS / "logs.json").write_text(json.dumps(results, indent=1))
    found = results.get("steady") or {}
    if "steady" in parts and not found:
        sys.exit("the steady part failed")
    if any(found.get(f"lines {word}") for word in ("lost", "doubled", "split")):
        sys.exit("lines were not kept whole")


def side_by_side(arguments, homes):
    kinds = {one.name: one for one in (OursPlain, OursCompressed, Pm2Logs, SupervisordLogs, Redirect)}
    wanted = [name for name in kinds if name in arguments.managers.split(",")]
    rounds = 1 if arguments.quick else 3
    missing = install.install(wanted, TOOLS)
    for name, why in missing.items():
        print(f"{name} is left out: {why}", file=sys.stderr)
    wanted = [name for name in wanted if name not in missing]
    samples = {way: {name: [] for name in wanted} for way in WAYS}
    for way, (lines, megabytes) in WAYS.items():
        program = build(TOOLS, f"writer-{lines}", "writer.c", MEGABYTES=megabytes, LINES=lines)
        for _ in range(rounds):
            for name in wanted:
                more = (arguments.binary,) if issubclass(kinds[name], Ours) else ()
                manager = kinds[name](TOOLS, homes / name, program, *more)
                found = attempt(measure, manager, megabytes)
                if found is not None:
                    samples[way][name].append(found)
    show(samples, kinds, rounds)
    return samples


def steady_part(arguments, homes):
    megabytes = RATE * (10 if arguments.quick else 60)
    program = build(TOOLS, f"steady-{megabytes}", "writer.c", MEGABYTES=megabytes, RATE=RATE)
    counter = build(TOOLS, "counter", "counter.c")
    manager = OursSteady(TOOLS, homes / "steady", program, arguments.binary)
    found = attempt(steady, manager, megabytes, counter)
    if found is not None:
        print(f"\n{megabytes} MB in numbered lines at {RATE} MB a second, rotated at 50 MB, compressed\n")
        print(f"| {' | '.join(found)} |\n|{'--:|' * len(found)}")
        print(f"| {' | '.join(f'{value:,}' for value in found.values())} |")
    return found


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


def show(samples, kinds, rounds):
    print(f"Lines of 100 bytes of one program, the median of {rounds}: MB a second, and the manager's")
    print("processor seconds for 100 MB\n")
    print(f"| manager | {' | '.join(f'{way}, MB/s | s' for way in samples)} |")
    print(f"|---|{'--:|' * 2 * len(samples)}")
    medians = {
        way: {
            name: tuple(statistics.median(column) for column in zip(*found))
            for name, found in of_way.items() if found
        }
        for way, of_way in samples.items()
    }
    names = [name for name in kinds if any(name in found for found in medians.values())]
    for name in names:
        cells = [found.get(name) for found in medians.values()]
        words = (f"{one[0]:.0f} | {one[1]:.3f}" if one else "– | –" for one in cells)
        print(f"| {name} | {' | '.join(words)} |")
    print()
    for way, found in medians.items():
        if "ours" in found and "pm2" in found:
            (rate, used), (their_rate, their_used) = found["ours"], found["pm2"]
            print(f"{way}: {rate / their_rate:.1f} times the rate of pm2", end="")
            print(f" for {used / their_used:.3f} of its processor time")
    for name in names:
        if kinds[name].note:
            print(f"- {name}: {kinds[name].note}")


if __name__ == "__main__":
    main()
