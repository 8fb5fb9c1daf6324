import errno
import hashlib
import io
import os
import tempfile
import threading
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from fewfit.errors import InputError
from fewfit.service.errors import FilesError, ForbiddenError, LimitError, StoreError
from fewfit.service.records import Caller, StoredFile
from fewfit.service.store.references import UPLOAD_LIFETIME, Owner, claim, collect_garbage, files_of, release
from fewfit.service.store.tables import FileReferenceRow, utc_now
from fewfit.service.store.uploads import Upload, store_file
from fewfit.web.errors import status_of
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import Shop, a_caller

DATASET = Owner("dataset", "a-dataset", "default")


def _staged(shop: Shop) -> list[Path]:
    return list(shop.service.files.staging.iterdir())


def _claim(shop: Shop, file: StoredFile, owner: Owner = DATASET) -> None:
    with shop.service.database.writing() as session:
        claim(session, owner, "data", file)


def test_a_file_is_kept_under_the_hash_of_its_content(shop: Shop) -> None:
    content = os.urandom(700_000)
    file = shop.upload(content)
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert file.size_bytes == len(content)
    assert b"".join(shop.service.files.chunks(file.sha256)) == content
    assert _staged(shop) == []


def test_an_aborted_upload_leaves_nothing(shop: Shop) -> None:
    upload = shop.service.datasets.upload(shop.admin)
    upload.write(b"half a fi")
    upload.abort()
    upload.abort()
    assert _staged(shop) == []
    assert shop.service.datasets.usage_bytes(shop.admin) == 0


def test_receiving_takes_no_more_memory_than_a_chunk(shop: Shop) -> None:
    upload = shop.service.datasets.upload(shop.admin)
    chunk = bytes(64 * 1024)
    tracemalloc.start()
    for _ in range(16 * 30):  # 30 MiB
        upload.write(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    upload.abort()
    assert peak < 2**20


def test_an_upload_beyond_the_limit_is_refused_and_dropped(open_shop: OpenShop) -> None:
    shop = open_shop(max_dataset_bytes=100)
    upload = shop.service.datasets.upload(shop.admin)
    upload.write(bytes(100))
    with pytest.raises(LimitError, match="more than 100 bytes"):
        upload.write(b"1")
    assert _staged(shop) == []


def test_an_organisation_has_so_much_space_and_no_more(open_shop: OpenShop) -> None:
    shop = open_shop(max_organization_bytes=100)
    shop.upload(bytes(60))
    upload = shop.service.datasets.upload(shop.admin)
    with pytest.raises(LimitError, match="more than 40 bytes"):
        upload.write(bytes(41))
    shop.upload(bytes(40))
    with pytest.raises(LimitError, match="100 bytes"):
        shop.service.datasets.upload(shop.admin)
    other = a_caller(organization_id="other")
    assert shop.upload(bytes(100), caller=other).size_bytes == 100


def test_uploading_needs_the_scope_train(shop: Shop) -> None:
    with pytest.raises(ForbiddenError, match="train"):
        shop.service.datasets.upload(a_caller("read", "classify"))


def test_an_upload_is_used_once_and_by_its_own_organisation(shop: Shop) -> None:
    file = shop.upload(b"content")
    with pytest.raises(InputError, match="expired"):
        _claim(shop, file, Owner("dataset", "theirs", "elsewhere"))
    _claim(shop, file)
    with pytest.raises(InputError, match="used already"):
        _claim(shop, file, Owner("dataset", "second", "default"))


def test_what_nobody_claims_is_deleted_after_its_time(shop: Shop) -> None:
    file = shop.upload(b"forgotten")
    database, files = shop.service.database, shop.service.files
    assert collect_garbage(database, files) == 0
    assert collect_garbage(database, files, now=utc_now() + UPLOAD_LIFETIME + timedelta(seconds=1)) == 1
    assert not files.exists(file.sha256)
    with pytest.raises(InputError, match="expired"):
        _claim(shop, file)


def test_a_file_stays_while_anybody_needs_it(shop: Shop) -> None:
    first, second = shop.upload(b"the same"), shop.upload(b"the same")
    assert first.sha256 == second.sha256
    _claim(shop, first)
    other = Owner("job", "a-job", "default")
    _claim(shop, second, other)
    database, files = shop.service.database, shop.service.files
    for owner, gone in ((DATASET, 0), (other, 1)):
        assert files.exists(first.sha256)
        with database.writing() as session:
            release(session, owner)
        assert collect_garbage(database, files) == gone
    assert not files.exists(first.sha256)


def test_clean_up_and_uploads_of_the_same_file_do_not_harm_each_other(open_shop: OpenShop) -> None:
    uploading, cleaning = open_shop(), open_shop()
    stop = threading.Event()

    def clean() -> None:
        while not stop.is_set():
            collect_garbage(cleaning.service.database, cleaning.service.files)

    thread = threading.Thread(target=clean)
    thread.start()
    try:
        for number in range(25):
            owner = Owner("dataset", f"dataset-{number}", "default")
            file = uploading.upload(b"always the same")
            _claim(uploading, file, owner)
            assert b"".join(uploading.service.files.chunks(file.sha256)) == b"always the same"
            with uploading.service.database.writing() as session:
                release(session, owner)
    finally:
        stop.set()
        thread.join()


def test_leftovers_of_a_dead_process_are_cleared(shop: Shop) -> None:
    stream, old = shop.service.files.new_file()
    stream.close()
    stream, fresh = shop.service.files.new_file()
    stream.close()
    long_ago = (utc_now() - UPLOAD_LIFETIME - timedelta(minutes=1)).timestamp()
    folder = shop.service.files.new_folder()
    (folder / "half a model").touch()
    for path in (old, folder):
        os.utime(path, (long_ago, long_ago))
    collect_garbage(shop.service.database, shop.service.files)
    assert _staged(shop) == [fresh]


def test_files_belong_to_an_organisation(shop: Shop) -> None:
    _claim(shop, shop.upload(b"content"))
    with shop.service.database.reading() as session:
        assert list(files_of(session, DATASET)) == ["data"]
        assert files_of(session, Owner("dataset", "a-dataset", "elsewhere")) == {}
    assert shop.service.datasets.usage_bytes(Caller("elsewhere", "x", frozenset({"read"}))) == 0


def test_a_missing_file_says_so(shop: Shop) -> None:
    with pytest.raises(StoreError, match="missing"):
        shop.service.files.open("0" * 64)


def test_an_upload_that_has_just_begun_does_not_count_as_expired(shop: Shop) -> None:
    file = shop.upload(b"content")
    with shop.service.database.writing() as session:
        session.execute(update(FileReferenceRow).values(created_at=utc_now() - UPLOAD_LIFETIME + timedelta(minutes=1)))
    collect_garbage(shop.service.database, shop.service.files)
    _claim(shop, file)


def test_a_full_disk_is_told_and_leaves_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def no_room(**options: object) -> tuple[int, str]:
        raise OSError(errno.ENOSPC, "No space left on device")

    upload = shop.service.datasets.upload(shop.admin, "a.csv")
    upload._stream.close()
    monkeypatch.setattr(upload, "_stream", Full())
    with pytest.raises(FilesError) as caught:
        upload.write(b"text")
    assert status_of(caught.value) == 503
    upload.abort()
    assert list(shop.service.files.staging.iterdir()) == []
    monkeypatch.setattr(tempfile, "mkstemp", no_room)
    with pytest.raises(FilesError):
        shop.service.datasets.upload(shop.admin, "a.csv")


def test_a_store_on_another_file_system_takes_files(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, staging = Path.replace, shop.service.files.staging

    def across(self: Path, target: Path) -> Path:
        if self.parent == staging:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", across)
    file = shop.upload(b"content")
    assert b"".join(shop.service.files.chunks(file.sha256)) == b"content"
    assert _staged(shop) == []


def test_a_store_that_does_not_take_a_file_leaves_nothing_of_it_here(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*arguments: object) -> None:
        raise FilesError

    monkeypatch.setattr(shop.service.files, "take", fail)
    (tmp_path / "a").write_bytes(b"content")
    with pytest.raises(FilesError):
        shop.upload(b"content")
    with pytest.raises(FilesError):
        store_file(shop.service.database, shop.service.files, "default", tmp_path / "a", "a")
    monkeypatch.setattr(Upload, "write", fail)
    with pytest.raises(FilesError):
        store_file(shop.service.database, shop.service.files, "default", tmp_path / "a", "a")
    assert _staged(shop) == []


def test_a_file_store_that_is_away_is_told_without_what_it_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files, file = shop.service.files, shop.upload(b"content")

    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("no answer from 10.1.2.3")  # as S3's client does, whose errors are no OSErrors

    def no_bucket(*arguments: object, **options: object) -> None:
        raise FileNotFoundError("no such bucket")

    for name in ("open", "exists", "rm_file", "pipe_file"):
        monkeypatch.setattr(files._fs, name, fail)
    for ask in (files.open, files.exists, files.delete):
        with pytest.raises(FilesError) as caught:
            ask(file.sha256)
        assert "10.1.2.3" not in str(caught.value)
        assert status_of(caught.value) == 503
    assert "does not answer" in shop.service.health().checks["files"]
    assert "no answer from 10.1.2.3" in caplog.text
    monkeypatch.setattr(files._fs, "pipe_file", no_bucket)
    assert "does not answer" in shop.service.health().checks["files"]
