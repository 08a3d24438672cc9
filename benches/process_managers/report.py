"""The tables of a run in Markdown: medians, and how many times ours each one is."""

import os
import platform

from managers import PEERS

#: Measure, number of programs, heading, decimals.
ROWS = (
    ("restart_ms", 1, "kill → replacement's `main`, ms", 1),
    ("restart_ms", 100, "the same beside 99 others, ms", 1),
    ("rss_mb", 1, "resident memory with 1 program, MB", 1),
    ("rss_mb", 10, "with 10", 1),
    ("rss_mb", 100, "with 100", 1),
    ("rss_mb", 1000, "with 1,000", 1),
    ("pss_mb", 10, "proportional memory with 10, MB", 1),
    ("pss_mb", 100, "with 100", 1),
    ("processes", 100, "processes of its own with 100", 0),
    ("wakeups_per_s", 1, "wake-ups a second, idle, 1 program", 2),
    ("wakeups_per_s", 100, "with 100", 2),
    ("idle_cpu_ms_per_s", 100, "processor time, idle, 100 programs, ms a second", 2),
    ("status_ms", 10, "status of 10, ms", 1),
    ("status_ms", 100, "status of 100, ms", 1),
    ("start_s", 10, "start of 10 until all run, s", 3),
    ("start_s", 100, "start of 100, s", 3),
    ("start_s", 1000, "start of 1,000, s", 2),
    ("stop_s", 10, "stop of 10 until all are gone, s", 3),
    ("stop_s", 100, "stop of 100, s", 3),
)


def tables(results, names, plan):
    """Everything that was measured, as one text."""
    lines = [machine(), ""]
    lines.append("| median | " + " | ".join(names) + " |")
    lines.append("|---" * (len(names) + 1) + "|")
    for measure, count, heading, decimals in ROWS:
        values = [results.median(measure, name, count) for name in names]
        if any(value is not None for value in values):
            cells = [cell(value, values[0], decimals) for value in values]
            lines.append(f"| {heading} | " + " | ".join(cells) + " |")
    lines.append("")
    lines.append(f"In brackets: how many times {names[0]}.")
    nothing = results.median("status_ms", "nothing", 10)
    if nothing is not None:
        lines.append(f"A command that does nothing takes {nothing:.1f} ms, measured like `status`.")
    for name in names:
        if name in PEERS and PEERS[name].note:
            lines.append(f"{name} {PEERS[name].note}.")
    lines.extend(f"Not measured: {words}" for words in results.remarks)
    lines.extend(f"Note: {words}." for words in results.notes)
    lines.append(
        f"Rounds {plan.rounds}, status runs {plan.status_runs} a round, kills {plan.kills} "
        f"({plan.slow_kills} for circus with its default), idle {plan.idle_seconds} s."
    )
    return "\n".join(lines)


def cell(value, ours, decimals):
    if value is None:
        return "–"
    text = f"{value:.{decimals}f}"
    if ours and value is not ours:
        ratio = value / ours
        text += f" ({ratio:.1f}×)" if ratio < 10 else f" ({ratio:.0f}×)"
    return text


def machine():
    cores, pages = os.cpu_count(), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    load = os.getloadavg()[0]
    kernel = platform.release().split("-")[0]
    return (
        f"{cores} cores, {pages / 2**30:.0f} GiB, Linux {kernel}; load at the end {load:.1f}, "
        "the benchmark's own included"
    )
