"""The servers the other tests stand on are real, private, and survive what tests do to them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import asyncpg
import pytest
from redis import asyncio as redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.servers import lifeline
from tests.servers.binaries import find_redis
from tests.servers.missing import unavailable
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer


async def test_redis_answers(redis_url: str) -> None:
    async with redis.Redis.from_url(redis_url) as client:
        assert await client.ping()


@pytest.mark.parametrize("turn", [1, 2])
async def test_redis_is_empty_at_the_start_of_every_test(redis_url: str, turn: int) -> None:
    async with redis.Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("turn", turn)


async def test_redis_comes_back_empty_at_the_same_address(
    redis_url: str, redis_server: RedisServer
) -> None:
    async with redis.Redis.from_url(redis_url) as client:
        await client.set("news", "lost with the server")

    redis_server.kill()
    redis_server.start()

    async with redis.Redis.from_url(redis_server.url) as client:
        assert await client.dbsize() == 0


async def test_a_stopped_redis_refuses_until_it_is_started(
    redis_url: str, redis_server: RedisServer
) -> None:
    redis_server.stop()
    async with redis.Redis.from_url(redis_url, retry=None) as client:
        with pytest.raises(redis.ConnectionError):
            await client.ping()

        redis_server.start()

        assert await client.ping()


async def test_postgres_answers_asyncpg(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        assert await connection.fetchval("SELECT 1") == 1
    finally:
        await connection.close()


async def test_postgres_answers_sqlalchemy(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url.replace("postgresql:", "postgresql+asyncpg:", 1))
    try:
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
    finally:
        await engine.dispose()


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_gets_an_empty_database(postgres_url: str, turn: int) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute("CREATE TABLE turns (turn int)")
        await connection.execute("INSERT INTO turns VALUES ($1)", turn)
        assert await connection.fetchval("SELECT turn FROM turns") == turn
    finally:
        await connection.close()


async def test_a_server_outlives_the_thread_that_restarted_it(
    redis_url: str, redis_server: RedisServer
) -> None:
    restarter = threading.Thread(target=redis_server.restart)
    restarter.start()
    restarter.join()

    async with redis.Redis.from_url(redis_url) as client:
        await asyncio.sleep(0.05)
        assert await client.ping()


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_what_postgres_committed_survives_its_end(
    postgres_url: str, postgres_server: PostgresServer, how: str
) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    connection.terminate()

    getattr(postgres_server, how)()
    postgres_server.start()

    connection = await asyncpg.connect(postgres_url)
    try:
        assert await connection.fetchval("SELECT answer FROM kept") == 42
    finally:
        await connection.close()


async def test_a_test_can_make_another_database(postgres_server: PostgresServer) -> None:
    first = postgres_server.create_database()
    second = postgres_server.create_database()

    assert first != second
    postgres_server.drop_database(first)
    postgres_server.drop_database(second)


def test_a_server_dies_with_the_process_that_started_it() -> None:
    binary = find_redis()
    if binary is None:
        unavailable("no redis-server to kill")
    script = """
        import sys, time
        from tests.servers.redis import PrivateRedis
        from pathlib import Path
        server = PrivateRedis(Path(sys.argv[1]))
        server.start()
        print(server._process.pid, server.folder, flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(binary)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid, folder = parent.stdout.readline().split()

        parent.send_signal(signal.SIGKILL)

    assert _gone(int(pid))
    lifeline.sweep()
    assert not Path(folder).exists()


def test_a_free_port_can_be_bound() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert server.getsockname()[1] > 0


def _gone(pid: int) -> bool:
    """Whether the process has ended; a dead one that nobody reaps yet counts."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            state = (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            )
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False
