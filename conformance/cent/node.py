"""A real node on free ports of this machine, and a subscriber that speaks to it in plain frames."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import threading
import time
import urllib.request

import websocket

SECRET = "a-secret-of-tests-with-over-32-bytes"
API_KEY = "a-key-of-tests"
START_SECONDS_MAX = 15
END_SECONDS_MAX = 20
WAIT_SECONDS_MAX = 5


class Node:
    """`fanfare serve`, ready when made; `stop` drains it and fails if that does not end well."""

    def __init__(self, **settings):
        settings = {
            "public__address": "127.0.0.1:0",
            "internal__address": "127.0.0.2:0",
            "token__hmac_secret": SECRET,
            "api__key": API_KEY,
            "drain__delay": "0",
            "drain__window": "0",
            "log__format": "json",
        } | settings
        env = {name: value for name, value in os.environ.items() if not name.startswith("FANFARE__")}
        env |= {f"FANFARE__{name.upper()}": value for name, value in settings.items()}
        self.log = []
        self.addresses = None
        self.announced = threading.Event()
        self.process = subprocess.Popen([os.environ["FANFARE_BIN"], "serve"], env=env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        try:
            self._await_readiness()
        except Exception:
            self.process.kill()
            print("\n".join(self.log))
            raise

    def stop(self):
        self.process.terminate()
        try:
            code = self.process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.reader.join(END_SECONDS_MAX)
        if code != 0:
            raise RuntimeError(f"the node ended with {code}; its log:\n" + "\n".join(self.log))

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            if '"ready"' in line:
                self.addresses = json.loads(line)
                self.announced.set()
        self.process.stderr.close()
        self.announced.set()

    def _await_readiness(self):
        if not self.announced.wait(START_SECONDS_MAX) or self.addresses is None:
            raise RuntimeError("the node does not start")
        self.url = f"ws://{self.addresses['public']}/connection/websocket"
        self.api = f"http://{self.addresses['internal']}/api"
        eventually(self._is_ready, "/readyz is green", START_SECONDS_MAX)

    def _is_ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.addresses['internal']}/readyz", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False


class Subscriber:
    """A connected user, subscribed to what was asked for. Nothing is read in the background."""

    def __init__(self, node, user, channels=()):
        self.socket = websocket.create_connection(node.url, timeout=WAIT_SECONDS_MAX, suppress_origin=True)
        commands = [{"id": 1, "connect": {"token": token({"sub": user})}}]
        commands += [{"id": at, "subscribe": {"channel": channel}} for at, channel in enumerate(channels, 2)]
        self.socket.send("\n".join(json.dumps(command) for command in commands))
        self.pending = []
        self.client = self._next()["connect"]["client"]
        for _ in channels:
            reply = self._next()
            assert "subscribe" in reply, reply

    def push(self):
        """The next push, as (channel, kind, content)."""
        push = self._next()["push"]
        channel = push.pop("channel", None)
        (kind, content), = push.items()
        return channel, kind, content

    def closed(self):
        """The code and text that the server closes the connection with."""
        while True:
            opcode, body = self.socket.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(body[:2], "big"), body[2:].decode()

    def close(self):
        self.socket.close()

    def _next(self):
        while not self.pending:
            for line in self.socket.recv().split("\n"):
                if line == "{}":
                    self.socket.send("{}")
                else:
                    self.pending.append(json.loads(line))
        return self.pending.pop(0)


def token(claims):
    """A token signed with the node's secret."""
    encode = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=")
    header = {"alg": "HS256", "typ": "JWT"}
    signed = b".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return (signed + b"." + encode(hmac.digest(SECRET.encode(), signed, hashlib.sha256))).decode()


def eventually(ask, what, seconds=WAIT_SECONDS_MAX):
    """Asks until the answer is truthy."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")
