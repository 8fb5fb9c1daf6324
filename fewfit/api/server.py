"""A server on one machine: the API in this process, workers beside it, everything ended in order."""

import asyncio
import gc
import ipaddress
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType

import uvicorn
from anyio import to_thread
from starlette.types import ASGIApp

from fewfit.api.app import create_app
from fewfit.api.protocol import BoundedProtocol
from fewfit.errors import FewfitError, InputError
from fewfit.service.jobs.supervisor import Workers
from fewfit.service.service import Service
from fewfit.settings import Settings

logger = logging.getLogger(__name__)

# Threads that answer requests. Those of classify wait together for one batch of the engine, so there are
# more of them than cores; further requests wait for a thread.
_THREADS = 96
_BACKLOG = 2048
_GRACE_S = 20
# New objects between two garbage collections; Python's own 700 are a few requests.
_COLLECTED_EVERY = 20_000
# Weights may come later: a network that is back, or `fewfit bases fetch`.
_TRY_AGAIN_S = 30.0


def serve(
    settings: Settings, say: Callable[[str], None], pages: Callable[[Service, Settings], ASGIApp] | None = None
) -> None:
    """Serves until it is told to stop (SIGTERM or Ctrl-C): requests finish, jobs go back to the queue.

    `say` is handed what a person should see: the address, and the admin key on the first start. `pages` makes the
    dashboard, which answers every path that is not the API's. Raises InputError where the address cannot be
    listened on, or where it is public and nobody ever made a key.
    """
    with ExitStack() as things:
        service = things.enter_context(Service.open(settings))
        if not is_loopback(settings.host) and not service.keys.any_exists():
            raise InputError(
                f"Listening on {settings.host} lets other machines in, and there is no API key yet. Make one with "
                f"'fewfit keys create admin --scopes admin --data {settings.data}', or listen on 127.0.0.1."
            )
        listening = things.enter_context(_listen(settings.host, settings.port))
        first_key = service.first_key()
        things.enter_context(Workers(settings))
        ending = threading.Event()
        things.callback(ending.set)
        threading.Thread(target=_warm_up, args=(service, ending), name="warm-up", daemon=True).start()
        threading.Thread(target=service.tidy_regularly, args=(ending,), name="tidy", daemon=True).start()
        config = uvicorn.Config(
            create_app(service, settings, pages(service, settings) if pages else None),
            http=BoundedProtocol,
            loop="uvloop" if sys.platform != "win32" else "asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
            backlog=_BACKLOG,
        )
        if first_key is not None:
            say(f"admin key: {first_key}")
        say(f"fewfit is at {address(settings.host, listening)}")
        _rest_the_collector()
        _run(uvicorn.Server(config), listening)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(host: str, listening: socket.socket) -> str:
    """The URL of what is listened on."""
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _rest_the_collector() -> None:
    """What is there by now stays: the garbage collector need not look at it after every few requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED_EVERY)


def _warm_up(service: Service, ending: threading.Event) -> None:
    """Loads the default base while the first requests come in; /readyz tells when it is there, or why not yet."""
    while not ending.is_set():
        try:
            service.warm_up()
        except FewfitError as error:
            logger.warning("the default base cannot be used, which is tried again in %g s: %s", _TRY_AGAIN_S, error)
            ending.wait(_TRY_AGAIN_S)
        else:
            _rest_the_collector()  # once more: now the weights and what reads them are there
            return


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "ports go from 0 to 65535"
        raise InputError(
            f"Cannot listen on {host}, port {port}: {reason}. Choose another: --host, --port (0: any free one)."
        ) from error


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    """Runs until a signal comes; uvicorn raises it once more when it is done, which must not end us half way."""

    def ignore(number: int, frame: FrameType | None) -> None:
        logger.info("stopping after %s", signal.Signals(number).name)

    before = {number: signal.signal(number, ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(_serve(server, listening))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    await server.serve(sockets=[listening])
