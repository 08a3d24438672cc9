"""Brings the peers into one directory, from their registries, once; nothing into the system.

A peer that cannot be installed is left out with the reason. A mark file says what is there, so
that a second run installs nothing and a new version of this file's numbers does.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PM2 = "pm2@7.0.4"
PYTHON = ("supervisor==4.3.0", "circus==0.19.0")
# OxMgr is in no registry under its name: cargo builds it from its repository at this tag.
OXMGR = os.environ.get("OXMGR_GIT", "https://github.com/Vladimir-Urik/OxMgr")
OXMGR_TAG = "v0.5.0"
DEBIAN = ("runit", "s6", "libs6-2.11", "libskarnet2.13", "libexecline2.9")


def npm(tools):
    command("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", tools / "npm", PM2)


def python(tools):
    venv = tools / "python"
    command(sys.executable, "-m", "venv", venv)
    quiet = ("--quiet", "--disable-pip-version-check")
    command(venv / "bin/python", "-m", "pip", "install", *quiet, *PYTHON)


def oxmgr(tools):
    environment = os.environ | {"CARGO_TARGET_DIR": str(tools / "oxmgr-build")}
    source = ("--git", OXMGR, "--tag", OXMGR_TAG, "--locked", "--quiet")
    command("cargo", "install", *source, "--root", tools / "oxmgr", "oxmgr", env=environment)
    shutil.rmtree(tools / "oxmgr-build", ignore_errors=True)


def debian(tools):
    packages = tools / "packages"
    packages.mkdir(exist_ok=True)
    command("apt-get", "download", *DEBIAN, cwd=packages)
    for package in packages.glob("*.deb"):
        command("dpkg", "-x", package, tools / "debian")


#: What installs a manager, and the words that its mark holds.
STEPS = {
    "pm2": (npm, PM2),
    "supervisord": (python, " ".join(PYTHON)),
    "circus": (python, " ".join(PYTHON)),
    "circus-tuned": (python, " ".join(PYTHON)),
    "oxmgr": (oxmgr, OXMGR_TAG),
    "runit": (debian, " ".join(DEBIAN)),
    "s6": (debian, " ".join(DEBIAN)),
}


def install(names, tools):
    """Installs what these managers need; returns the reasons of those that are missing."""
    missing = {}
    for name in names:
        if name not in STEPS:
            continue
        step, what = STEPS[name]
        mark = tools / f"installed-{step.__name__}"
        if mark.exists() and mark.read_text() == what:
            continue
        print(f"installing {what}", file=sys.stderr)
        try:
            step(tools)
            mark.write_text(what)
        except (OSError, RuntimeError) as error:
            missing[name] = str(error)
    return missing


def build(tools, sources):
    """The managed program and the floor."""
    for name, flags in (("program", ("-static",)), ("floor", ())):
        command("cc", "-O2", *flags, "-o", tools / name, sources / f"{name}.c")


def command(*argv, cwd=None, env=None):
    done = subprocess.run(
        [*map(str, argv)], cwd=cwd, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )
    if done.returncode != 0:
        words = done.stdout.decode(errors="replace").strip().splitlines()[-3:]
        raise RuntimeError(f"`{Path(argv[0]).name}` failed: {' '.join(words)}")
