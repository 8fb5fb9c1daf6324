import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from fewfit.encoders import cache
from fewfit.errors import DigestError

FILES = {"config.json": sha256(b"{}").hexdigest(), "1_Pooling/config.json": sha256(b"[]").hexdigest()}


def write_right(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"{}")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_bytes(b"[]")


def write_wrong(folder: Path) -> None:
    write_right(folder)
    (folder / "config.json").write_bytes(b"{ }")


def refuse(folder: Path) -> None:
    raise AssertionError(f"{folder} is whole and must not be written again")


def stop_halfway(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"{}")
    raise KeyboardInterrupt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bases" / "toy"


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir() if not path.name.endswith(".lock"))


def test_a_folder_is_assembled_once(folder: Path) -> None:
    cache.assemble(folder, FILES, write_right)
    assert cache.faults(folder, FILES) == []
    cache.assemble(folder, FILES, refuse)
    assert visible(folder) == ["toy"]


def test_wrong_files_never_take_the_name(folder: Path) -> None:
    with pytest.raises(DigestError, match=r"'toy' are not the pinned ones: config\.json has SHA-256"):
        cache.assemble(folder, FILES, write_wrong)
    assert visible(folder) == []


@pytest.mark.parametrize("interrupted", [stop_halfway])
def test_an_interruption_leaves_nothing_behind(folder: Path, interrupted: Callable[[Path], None]) -> None:
    with pytest.raises(KeyboardInterrupt):
        cache.assemble(folder, FILES, interrupted)
    assert visible(folder) == []


def test_a_damaged_folder_is_replaced(folder: Path) -> None:
    cache.assemble(folder, FILES, write_right)
    (folder / "config.json").write_bytes(b"{")
    cache.assemble(folder, FILES, write_right)
    assert cache.faults(folder, FILES) == []
    assert visible(folder) == ["toy"]


def test_a_damaged_folder_stays_when_it_cannot_be_replaced(folder: Path) -> None:
    cache.assemble(folder, FILES, write_right)
    (folder / "config.json").write_bytes(b"{")
    with pytest.raises(DigestError):
        cache.assemble(folder, FILES, write_wrong)
    assert (folder / "config.json").read_bytes() == b"{"


def test_what_a_killed_process_left_is_cleared_away(folder: Path) -> None:
    left_over = folder.parent / ".toy-abc.partial" / "content"
    left_over.mkdir(parents=True)
    cache.assemble(folder, FILES, write_right)
    assert visible(folder) == ["toy"]


def test_of_two_at_once_one_works_and_the_other_waits(folder: Path) -> None:
    started, waiting = threading.Event(), threading.Event()
    written: list[str] = []

    def write(target: Path) -> None:
        started.set()
        assert waiting.wait(10), "the other never came to the lock"
        write_right(target)
        written.append(threading.current_thread().name)

    first = threading.Thread(target=cache.assemble, args=(folder, FILES, write), name="first")
    first.start()
    assert started.wait(10)
    second = threading.Thread(target=cache.assemble, args=(folder, FILES, refuse, waiting.set), name="second")
    second.start()
    first.join(10)
    second.join(10)
    assert written == ["first"]
    assert cache.faults(folder, FILES) == []


def test_faults_name_what_is_missing_and_what_differs(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{ }")
    missing, *_ = cache.faults(folder, {"model.safetensors": "0" * 64})
    assert missing == "model.safetensors is missing"
    (differs,) = cache.faults(folder, {"config.json": FILES["config.json"]})
    assert differs.startswith(f"config.json has SHA-256 {sha256(b'{ }').hexdigest()[:12]}…, expected")


def test_discarding_is_whole_and_may_be_done_twice(folder: Path) -> None:
    cache.assemble(folder, FILES, write_right)
    cache.discard(folder)
    cache.discard(folder)
    assert visible(folder) == []


@pytest.fixture
def big_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWFIT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"a" * 2_000_000)
    return path


def count_hashes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    hashed: list[Path] = []
    original = cache._hash

    def spy(path: Path) -> str:
        hashed.append(path)
        return original(path)

    monkeypatch.setattr(cache, "_hash", spy)
    return hashed


def test_a_large_file_is_hashed_once(big_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = count_hashes(monkeypatch)
    expected = sha256(b"a" * 2_000_000).hexdigest()
    assert [cache.sha256_of(big_file) for _ in range(3)] == [expected] * 3
    assert hashed == [big_file]


def test_a_changed_file_is_hashed_again_even_with_its_old_size_and_time(
    big_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.sha256_of(big_file)
    stat = big_file.stat()
    with big_file.open("r+b") as file:
        file.write(b"b")
    os.utime(big_file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.sha256_of(big_file) == sha256(b"b" + b"a" * 1_999_999).hexdigest()


def test_a_record_that_cannot_be_read_or_written_costs_time_alone(
    big_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = cache.sha256_of(big_file)
    for record in (tmp_path / "cache" / "digests").iterdir():
        record.write_text("{not json")
    assert cache.sha256_of(big_file) == expected
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the cache folder would be")
    monkeypatch.setenv("FEWFIT_CACHE", str(blocked))
    assert cache.sha256_of(big_file) == expected


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "home/.cache/fewfit"),
        ("linux", {"XDG_CACHE_HOME": "shared"}, "shared/fewfit"),
        ("linux", {"XDG_CACHE_HOME": "shared", "FEWFIT_CACHE": "own"}, "own"),
        ("darwin", {}, "home/Library/Caches/fewfit"),
        ("win32", {}, "home/AppData/Local/fewfit/cache"),
        ("win32", {"LOCALAPPDATA": "local"}, "local/fewfit/cache"),
    ],
)
def test_where_the_cache_is(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FEWFIT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    assert cache.cache_folder() == Path(expected)
