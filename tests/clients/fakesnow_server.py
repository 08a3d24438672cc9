"""A Snowflake emulator that nobody here wrote, with the fields that it leaves out of its login.

Prints its port on the first line and serves on the loopback address until its standard input is
closed. Its account has a table, views and values of many types.
"""

import json
import socket
import sys
import threading

import snowflake.connector
import uvicorn
from fakesnow.server import app

SETUP = [
    "create database SHOP",
    "create schema SHOP.SALES",
    "use schema SHOP.SALES",
    "create table ORDERS (ID number(38,0), TOTAL number(12,2), PLACED date, PAID_AT timestamp_ntz, NOTE varchar)",
    "insert into ORDERS values (1, 10.25, '2026-01-31', '2026-01-31 10:20:30.123456', 'first')",
    "insert into ORDERS values (2, 1234567890.10, '1969-12-31', '1969-12-31 23:59:59', null)",
    "create view BIG_ORDERS as select ID, TOTAL from ORDERS where TOTAL > 100",
    "create table MANY as select seq4() as N from table(generator(rowcount => 30000))",
]


class Filled:
    """The emulator, with what the service itself would add to the answer of a login."""

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        if scope.get("path") != "/session/v1/login-request":
            return await self.inner(scope, receive, send)
        sent = []
        await self.inner(scope, receive, _keep(sent))
        answer = json.loads(b"".join(part.get("body", b"") for part in sent))
        if answer["success"]:
            answer["data"].update(masterToken="master", validityInSeconds=3600, masterValidityInSeconds=14400)
        body = json.dumps(answer).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": sent[0]["status"], "headers": head})
        await send({"type": "http.response.body", "body": body})


def _keep(sent):
    async def keep(message):
        sent.append(message)

    return keep


def main():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(Filled(app), log_level="error"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    serving.start()
    try:
        there = dict(user="u", password="p", account="a", host="127.0.0.1", port=port, protocol="http")
        with snowflake.connector.connect(**there, session_parameters={}) as account:
            for statement in SETUP:
                account.cursor().execute(statement)
        print(port, flush=True)
        sys.stdin.read()
    finally:
        server.should_exit = True
        serving.join()


main()
