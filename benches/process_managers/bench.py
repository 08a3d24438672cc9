"""Measures process managers side by side; `run.sh` calls it and says how.

Two parts. In the first, one manager after the other starts, shows and stops 1, 10 and 100
programs, several rounds over. In the second, all managers run at once, each with its programs:
first everything is idle, then one program after the other is killed, in turn over all managers,
so that the noise of the machine hits everyone alike. Everything is a median.
"""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import time
from pathlib import Path

import install
import report
import world
from managers import PEERS, Ours

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parent.parent / "target/process_managers"
#: Sizes for which `status` is measured, and start and stop are worth a row.
STATUS_SIZES = (10, 100)
#: How long a manager may take to start all programs, and to stop them.
PATIENCE = 120


class Plan:
    """How often and how long."""

    def __init__(self, quick):
        self.rounds = 1 if quick else 3
        self.status_runs = 10 if quick else 30
        self.kills = 10 if quick else 30
        self.slow_kills = 3 if quick else 10
        self.idle_seconds = 10 if quick else 30
        # Threads that end while idle ones are counted take their counts along: idle pools need 10 s.
        self.settle_seconds = 12
        self.sizes = (1, 10, 100) if quick else (1, 10, 100, 1000)


class Results:
    """Samples by what was measured, for which manager, with how many programs."""

    def __init__(self):
        self.samples = {}
        self.remarks = []
        self.notes = []

    def add(self, measure, manager, count, value):
        self.samples.setdefault((measure, manager, count), []).append(value)

    def note(self, words):
        """How this run was made."""
        self.notes.append(words)

    def remark(self, words):
        """Something that could not be measured."""
        self.remarks.append(words)
        print(f"  {words}", file=sys.stderr)

    def median(self, measure, manager, count):
        values = self.samples.get((measure, manager, count))
        return statistics.median(values) if values else None

    def save(self, path):
        rows = [
            {"measure": measure, "manager": manager, "programs": count, "samples": values}
            for (measure, manager, count), values in self.samples.items()
        ]
        path.write_text(json.dumps({"rows": rows, "remarks": self.remarks}, indent=1))


def started(manager, count, results):
    """Starts all programs; their process ids, or none with a remark."""
    manager.prepare(count)
    began = time.monotonic_ns()
    manager.start()
    marks = manager.marks.wait_for(count, PATIENCE)
    if len(marks) < count:
        results.remark(f"{manager.name}: {len(marks)} of {count} programs ran after {PATIENCE} s")
        return None
    results.add("start_s", manager.name, count, (max(ns for ns, _ in marks) - began) / 1e9)
    return [pid for _, pid in marks]


def own_processes(manager, pids):
    return world.children_of(manager.roots()) - set(pids)


def measure_size(make, count, plan, results):
    """One manager, so many programs: start, memory, status, stop."""
    manager = make()
    try:
        pids = started(manager, count, results)
        if pids is None:
            return
        time.sleep(1)
        own = own_processes(manager, pids)
        resident, proportional = world.memory(own)
        results.add("rss_mb", manager.name, count, resident)
        results.add("pss_mb", manager.name, count, proportional)
        results.add("processes", manager.name, count, len(own))
        if manager.has_status and count in STATUS_SIZES:
            measure_status(manager, count, plan, results)
        if count <= 100:
            departures = world.Departures(pids)
            began = time.monotonic_ns()
            manager.stop()
            ended = departures.wait(PATIENCE)
            if ended is None:
                results.remark(f"{manager.name}: programs of {count} were left after stop")
            else:
                results.add("stop_s", manager.name, count, (ended - began) / 1e9)
    except (RuntimeError, OSError, world.subprocess.TimeoutExpired) as error:
        results.remark(f"{manager.name} with {count} programs: {error}")
    finally:
        manager.put_away()
        world.end_everything()
        manager.marks.close()


def measure_status(manager, count, plan, results):
    argv = [*map(str, manager.status())]
    for number in range(plan.status_runs + 2):
        wall = world.time_command(argv, manager.env, manager.home)
        if number >= 2:
            results.add("status_ms", manager.name, count, wall)


def measure_together(makes, count, plan, results):
    """All managers at once: idle, then killed programs."""
    everyone, managers, programs = [], [], {}
    try:
        for make in makes:
            manager = make()
            everyone.append(manager)
            manager.prepare(count)
            manager.start()
            marks = manager.marks.wait_for(count, PATIENCE)
            if len(marks) < count:
                results.remark(f"{manager.name}: not all of {count} programs ran, left out here")
                continue
            managers.append(manager)
            programs[manager] = [pid for _, pid in marks]
        own = {one: own_processes(one, programs[one]) for one in managers}
        time.sleep(plan.settle_seconds)
        measure_idle(own, count, plan, results)
        for number in range(plan.kills):
            began = time.monotonic()
            for manager in list(managers):
                if manager.tick > 1 and number >= plan.slow_kills:
                    continue
                if not kill_one(manager, programs[manager], count, results):
                    managers.remove(manager)
            if count == 1:
                longest = max((manager.stable for manager in managers), default=0)
                time.sleep(max(0, longest - (time.monotonic() - began)))
    finally:
        for manager in everyone:
            manager.put_away()
        world.end_everything()


def measure_idle(own, count, plan, results):
    before = {manager: world.activity(pids) for manager, pids in own.items()}
    began = time.monotonic()
    time.sleep(plan.idle_seconds)
    after = {manager: world.activity(pids) for manager, pids in own.items()}
    seconds = time.monotonic() - began
    for manager in own:
        cpu, switches = (new - old for new, old in zip(after[manager], before[manager]))
        results.add("idle_cpu_ms_per_s", manager.name, count, cpu / seconds)
        results.add("wakeups_per_s", manager.name, count, switches / seconds)


def kill_one(manager, pids, count, results):
    """Kills the program that has run longest and waits for its replacement."""
    manager.marks.take(0)
    # Who looks for deaths from time to time is to be hit anywhere between two looks.
    time.sleep(random.uniform(0.02, 0.05) + random.uniform(0, manager.tick))
    victim = pids.pop(0)
    began = time.monotonic_ns()
    os.kill(victim, signal.SIGKILL)
    marks = manager.marks.wait_for(1, 20)
    if not marks:
        results.remark(f"{manager.name}: no replacement within 20 s, beside {count - 1} others")
        return False
    moment, pid = marks[0]
    results.add("restart_ms", manager.name, count, (moment - began) / 1e6)
    pids.append(pid)
    return True


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description="Process managers side by side.")
    parser.add_argument("--quick", action="store_true", help="fewer samples, no 1,000 programs")
    parser.add_argument("--managers", help="only these, separated by commas")
    parser.add_argument("--sizes", help="numbers of programs for the first part")
    parser.add_argument("--parts", default="sizes,together", help="`sizes`, `together` or both")
    parser.add_argument("--ours", action="append", default=[], metavar="NAME=BINARY",
                        help="a binary of ours; several are compared with the first one")
    parser.add_argument("--realtime", action="store_true",
                        help="before all other work on a busy machine; everybody alike; root only")
    return parser.parse_args()


def main():
    wanted = arguments()
    plan, results = Plan(wanted.quick), Results()
    if wanted.sizes:
        plan.sizes = tuple(int(size) for size in wanted.sizes.split(","))
    ours = dict(one.split("=", 1) for one in wanted.ours)
    names = wanted.managers.split(",") if wanted.managers else [*ours, *PEERS]
    if unknown := [name for name in names if name not in PEERS and name not in ours]:
        sys.exit(f"error: there is no {', '.join(unknown)}; there are: {', '.join([*ours, *PEERS])}")
    TOOLS.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    world.become_subreaper()
    install.build(TOOLS, HERE)
    if wanted.realtime:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
        results.note("everything ran at real-time priority, beside other work on the same cores")
    for name, why in install.install(names, TOOLS).items():
        results.remark(f"{name} is left out, it cannot be installed: {why}")
        names.remove(name)

    def maker(name):
        home = TOOLS / "homes" / name
        if name in ours:
            return lambda: Ours(TOOLS, home, TOOLS / "program", ours[name], name)
        return lambda: PEERS[name](TOOLS, home, TOOLS / "program")

    makes = [maker(name) for name in names]
    try:
        if "sizes" in wanted.parts:
            for number in range(plan.rounds):
                for count in plan.sizes:
                    if count > 100 and number > 0:
                        continue
                    for name, make in zip(names, makes):
                        print(f"round {number + 1}: {name}, {count} programs", file=sys.stderr)
                        measure_size(make, count, plan, results)
            for _ in range(plan.status_runs):
                nothing = world.time_command(["/bin/true"], {}, HERE)
                results.add("status_ms", "nothing", 10, nothing)
        if "together" in wanted.parts:
            for count in (1, 100):
                print(f"together: {count} programs each", file=sys.stderr)
                measure_together(makes, count, plan, results)
    finally:
        world.end_everything()
        results.save(TOOLS / "results.json")
        print(report.tables(results, names, plan))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
