"""A web server that shares its port with its siblings, in Python's standard library alone.

The supervisor has bound the port: it is descriptor 3. SIGTERM means: take nothing new, finish what
runs, leave.
"""

import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close() waits for the requests that run


def ready(words):
    """Tells the supervisor, as `sd_notify` does."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(words.encode(), path)


server = Server(("", 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=3)
# A sibling may be quicker than we are: then accept must not wait.
server.socket.setblocking(False)

signal.signal(
    signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start()
)
ready("READY=1")
server.serve_forever(poll_interval=0.05)
ready("STOPPING=1")
server.server_close()
