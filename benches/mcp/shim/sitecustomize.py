"""Leads the Python driver to the benchmark's account: it insists on addresses of Snowflake's own.

Python loads this file by itself from PYTHONPATH. It changes where the driver connects to, and
nothing else of what is measured.
"""

import importlib.abc
import os
import sys

PORT = int(os.environ["BENCH_ACCOUNT_PORT"])
MODULE = "snowflake.connector.connection"


def led_here(connection):
    """The class, whose connections go to our port."""
    connect = connection.__init__

    def connect_here(self, *args, **kwargs):
        kwargs.update(host="127.0.0.1", port=PORT, protocol="http")
        connect(self, *args, **kwargs)

    connection.__init__ = connect_here


class Finder(importlib.abc.MetaPathFinder):
    """Changes the one module once it is loaded."""

    def find_spec(self, name, path, target=None):
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def load_and_change(module):
            load(module)
            led_here(module.SnowflakeConnection)

        spec.loader.exec_module = load_and_change
        return spec


import importlib.util  # noqa: E402

sys.meta_path.insert(0, Finder())
