"""A Redis, its replica behind a line that can be cut, and one address for whichever leads."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import redis

from tests.faults.fleet import wait_until
from tests.faults.proxy import FaultProxy
from tests.faults.proxy_ways import Way
from tests.servers.binaries import find_redis
from tests.servers.missing import unavailable
from tests.servers.ports import free_port
from tests.servers.redis import PrivateRedis


class TcpRedis(PrivateRedis):
    """It can be followed: replication knows no Unix sockets."""

    def __init__(self, binary: Path) -> None:
        super().__init__(binary)
        self.port = free_port()

    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--port", str(self.port), "--repl-diskless-sync-delay", "0"]


class Pair:
    """Clients find the leading one at `url`, by way of a proxy."""

    def __init__(self) -> None:
        binary = find_redis()
        if binary is None:
            unavailable("no Redis: install redis-server")
        self._leader, self._follower = TcpRedis(binary), TcpRedis(binary)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for server in (self._leader, self._follower):
            server.start()
            self._stack.callback(server.close)
        self._front = self._stack.enter_context(FaultProxy(self._leader.port))
        self._line = self._stack.enter_context(FaultProxy(self._leader.port))
        self._follow()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """Where the leading one answers."""
        return f"redis://127.0.0.1:{self._front.port}/0"

    def cut_replica_off(self) -> None:
        """What is written from now on never reaches it."""
        self._line.harm(up=Way(swallowing=True), down=Way(swallowing=True))

    def fail_over(self) -> int:
        """The leading one dies and the other leads; bytes of its stream that were lost so."""
        lost = _offset(self._leader) - _offset(self._follower)
        self._leader.kill()
        with redis.Redis.from_url(self._follower.url) as client:
            client.replicaof("NO", "ONE")
        self._leader, self._follower = self._follower, self._leader
        self._front.aim(self._leader.port)
        self._front.reset()
        self._line.aim(self._leader.port)
        self._line.reset()
        self._line.heal()
        self._follower.start()
        self._follow()
        return lost

    def _follow(self) -> None:
        with redis.Redis.from_url(self._follower.url) as client:
            client.replicaof("127.0.0.1", str(self._line.port))
            wait_until(
                lambda: client.info("replication")["master_link_status"] == "up",
                "the replica follows",
                self._follower.log,
            )


def _offset(server: PrivateRedis) -> int:
    """How far it is in the stream of changes."""
    with redis.Redis.from_url(server.url) as client:
        told = client.info("replication")
    return int(told["slave_repl_offset" if told["role"] == "slave" else "master_repl_offset"])
