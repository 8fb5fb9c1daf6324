import os
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from fewfit.encoders import bases, hub, packages
from fewfit.encoders.bases import Base, Wheel
from fewfit.encoders.cache import base_folder
from fewfit.encoders.weights import fetch_base, locate, on_this_machine
from fewfit.errors import BaseError, BaseNotFoundError, DigestError
from fewfit.testing import write_toy_base
from tests.unit.encoders.toy_wheels import toy_base_in_a_wheel


def take_from(shelf: Path) -> Callable[[Wheel, Path, Callable[[], None]], Path]:
    """What pip does, in a hundredth of the time; test_packages.py has the real one."""

    def download_wheel(wheel: Wheel, folder: Path, on_tick: Callable[[], None]) -> Path:
        on_tick()
        for path in shelf.glob(f"{wheel.package.replace('-', '_')}-{wheel.version}-*.whl"):
            return Path(shutil.copy(path, folder))
        raise BaseNotFoundError(f"pip could not download {wheel.package}=={wheel.version}: the shelf is bare")

    return download_wheel


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with empty caches, no Hub, and wheels from one folder."""
    monkeypatch.setenv("FEWFIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(packages, "download_wheel", take_from(tmp_path / "shelf"))
    monkeypatch.setattr(hub, "_why_unreachable", lambda endpoint: "no network in this test")
    return tmp_path


@pytest.fixture
def toy(toy_base: Path, machine: Path, monkeypatch: pytest.MonkeyPatch) -> Base:
    """A known base named toy, to be had from a wheel."""
    base = toy_base_in_a_wheel(toy_base, machine / "shelf")
    monkeypatch.setattr(bases, "_BASES", (base,))
    return base


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError(f"a network call: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(hub, "_check_reachable", refuse)


def in_hub_cache(machine: Path, repo: str, revision: str, source: Path) -> Path:
    """Put a folder where the Hugging Face library keeps a repository's files."""
    home = machine / "hub" / f"models--{repo.replace('/', '--')}"
    (home / "refs").mkdir(parents=True, exist_ok=True)
    (home / "refs" / "main").write_text(revision)
    snapshot = home / "snapshots" / revision
    shutil.copytree(source, snapshot)
    return snapshot


def test_a_folder_is_used_where_it_lies(toy_base: Path, no_network: None) -> None:
    found = locate(toy_base)
    assert (found.name, found.folder, found.base) == (toy_base.name, toy_base, None)
    assert found == locate(str(toy_base))


def test_the_digest_is_that_of_the_files_that_matter(toy_base: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(toy_base, tmp_path / "copied"))
    (copied / "README.md").write_text("What else lies in a folder does not matter.")
    assert locate(copied).digest == locate(toy_base).digest
    for name in ("config.json", "tokenizer.json", "1_Pooling/config.json"):
        path = copied / name
        before = path.read_bytes()
        path.write_bytes(before + b" ")
        assert locate(copied).digest != locate(toy_base).digest
        path.write_bytes(before)
    assert locate(write_toy_base(tmp_path / "other", seed=1)).digest != locate(toy_base).digest


def test_a_known_base_is_assembled_from_its_package_once(
    toy: Base, machine: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    first = locate("toy")
    assert (first.name, first.base, first.source) == ("toy", toy, "an offline package")
    assert first.folder == base_folder("toy")
    request.getfixturevalue("no_network")
    again = locate("toy")
    assert (again.folder, again.digest, again.source) == (first.folder, first.digest, "fewfit's cache")
    assert on_this_machine(toy) == again


def test_a_copy_of_a_known_base_is_that_base(toy: Base, toy_base: Path, tmp_path: Path, no_network: None) -> None:
    copied = Path(shutil.copytree(toy_base, tmp_path / "copied"))
    (copied / "tokenizer_config.json").unlink()
    found = locate(copied)
    assert (found.name, found.base, found.folder) == ("toy", toy, copied)


def test_without_fetching_nothing_is_fetched(toy: Base, no_network: None) -> None:
    with pytest.raises(BaseNotFoundError, match=r"(?s)fewfit's cache: there is no .*fewfit bases fetch toy"):
        locate("toy", fetch=False)


def test_a_damaged_cache_repairs_itself(toy: Base) -> None:
    folder = locate("toy").folder
    (folder / "config.json").write_text("{}")
    assert on_this_machine(toy) is None
    with pytest.raises(
        BaseNotFoundError, match=r"damaged \(config\.json has SHA-256 44136fa355b3…, expected .*delete it"
    ):
        locate("toy", fetch=False)
    repaired = locate("toy")
    assert repaired.source == "an offline package"
    assert locate("toy", fetch=False).folder == folder


def test_a_missing_file_is_damage_too(toy: Base) -> None:
    folder = locate("toy").folder
    (folder / "model.safetensors").unlink()
    with pytest.raises(BaseNotFoundError, match=r"model\.safetensors is missing"):
        locate("toy", fetch=False)
    assert (locate("toy").folder / "model.safetensors").is_file()


def test_a_package_with_other_files_inside_is_refused(toy: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(toy, files=dict(toy.files) | {"config.json": "0" * 64})
    monkeypatch.setattr(bases, "_BASES", (other,))
    with pytest.raises(
        DigestError, match=r"'toy' are not the pinned ones: config\.json has SHA-256 .*expected 000000000000…"
    ):
        locate("toy")
    assert not base_folder("toy").exists()


def test_everything_that_was_tried_is_told_in_order(toy: Base, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_hub = replace(toy, hub_id="org/toy", revision="a" * 40)
    monkeypatch.setattr(bases, "_BASES", (on_hub,))
    shutil.rmtree(machine / "shelf")
    with pytest.raises(BaseNotFoundError) as caught:
        locate("toy")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"The weights of base 'toy' could not be found (cache folder: {machine / 'cache'}). Tried:"
    beginnings = [
        "  1. fewfit's cache: there is no ",
        "  2. the Hugging Face cache: org/toy is not in it",
        "  3. the Hugging Face Hub: it cannot be reached (no network in this test).",
        "  4. the offline package: pip could not download toy-weights==1.0: the shelf is bare",
        "Connect this machine to a package index or the Hugging Face Hub, or copy the base's folder here",
    ]
    assert len(lines) == len(beginnings) + 1
    for line, beginning in zip(lines[1:], beginnings, strict=True):
        assert line.startswith(beginning), line


def test_the_hugging_face_cache_is_used_at_any_revision_with_the_pinned_files(
    toy: Base, toy_base: Path, machine: Path, monkeypatch: pytest.MonkeyPatch, no_network: None
) -> None:
    monkeypatch.setattr(bases, "_BASES", (replace(toy, hub_id="org/toy", revision="a" * 40),))
    damaged = in_hub_cache(machine, "org/toy", "a" * 40, toy_base)
    (damaged / "config.json").write_text("{}")
    snapshot = in_hub_cache(machine, "org/toy", "b" * 40, toy_base)
    for name in ("toy", "org/toy", f"org/toy@{'a' * 40}"):
        found = locate(name)
        assert (found.name, found.folder, found.source) == ("toy", snapshot, "the Hugging Face cache")


def test_any_repository_in_the_hugging_face_cache_needs_no_network(
    toy_base: Path, machine: Path, no_network: None
) -> None:
    snapshot = in_hub_cache(machine, "org/any", "c" * 40, toy_base)
    for name in ("org/any", f"org/any@{'c' * 40}"):
        found = locate(name)
        assert (found.name, found.folder, found.base) == ("org/any", snapshot, None)
        assert found.digest == locate(toy_base).digest


def test_a_repository_that_is_not_there_tells_what_was_tried() -> None:
    with pytest.raises(BaseNotFoundError) as caught:
        locate("org/nowhere")
    message = str(caught.value)
    assert "1. the Hugging Face cache: org/nowhere is not in it" in message
    assert "2. the Hugging Face Hub: it cannot be reached (no network in this test)." in message
    assert message.endswith("Check the id and the network, or copy the model's folder here and give its path instead.")
    with pytest.raises(BaseNotFoundError, match="fewfit bases fetch org/nowhere"):
        locate("org/nowhere", fetch=False)


def test_a_name_that_means_nothing_lists_what_there_is(toy: Base) -> None:
    with pytest.raises(BaseNotFoundError, match=r"no base 'englsh': it is no known name \(toy\), no folder"):
        locate("englsh")


class TestTheBaseThatStandsIn:
    @pytest.fixture(autouse=True)
    def family(self, toy: Base, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        original = replace(toy, name="whole", package=None, hub_id="org/whole", revision="a" * 40, fallback="toy")
        monkeypatch.setattr(bases, "_BASES", (original, toy))

    def test_it_is_fetched_where_the_other_cannot_be_had_and_says_its_own_name(self) -> None:
        assert locate("whole").name == "toy"

    def test_it_is_used_without_asking_the_network_again(self, request: pytest.FixtureRequest) -> None:
        first = locate("whole")
        request.getfixturevalue("no_network")
        assert locate("whole").digest == first.digest

    def test_fetching_by_name_asks_for_the_other_all_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        locate("whole")
        asked: list[str] = []

        def why_unreachable(endpoint: str) -> str:
            asked.append(endpoint)
            return "still none"

        monkeypatch.setattr(hub, "_why_unreachable", why_unreachable)
        assert fetch_base("whole").name == "toy"
        assert len(asked) == 1

    def test_the_other_is_preferred_when_both_are_here(self, toy_base: Path, machine: Path) -> None:
        locate("whole")
        in_hub_cache(machine, "org/whole", "a" * 40, toy_base)
        assert locate("whole").name == "whole"

    def test_when_neither_can_be_had_both_are_explained(self, machine: Path) -> None:
        shutil.rmtree(machine / "shelf")
        with pytest.raises(BaseNotFoundError, match=r"(?s)org/whole is not in it.*toy in its place: .*pip could not"):
            locate("whole")


def test_the_digest_that_was_asked_for_is_held_to(toy_base: Path) -> None:
    digest = locate(toy_base).digest
    assert locate(toy_base, digest=digest).digest == digest
    with pytest.raises(DigestError, match=rf"has digest {digest[:12]}…, expected ffffffffffff…"):
        locate(toy_base, digest="f" * 64)


def test_a_folder_without_an_encoder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BaseError, match=r"is not an encoder: it has no config\.json"):
        locate(tmp_path)


def test_pickled_weights_are_not_read(toy_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy_base, tmp_path / "pickled"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BaseError, match=r"has only pytorch_model\.bin, and pickled weights are not read"):
        locate(folder)


def test_a_cache_that_cannot_be_written_to_says_so(toy: Base, machine: Path) -> None:
    (machine / "cache").write_text("a file where the folder would be")
    with pytest.raises(BaseError, match=r"cannot be written to .*Make room or rights for 1 MB.*FEWFIT_CACHE"):
        locate("toy")


def test_two_processes_at_once_assemble_one_folder(
    toy: Base, toy_base: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(machine / "shelf"),
        "PIP_CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from fewfit.encoders import bases
        from fewfit.encoders.weights import locate
        from tests.unit.encoders.toy_wheels import toy_base_in_a_wheel
        base = toy_base_in_a_wheel(Path(sys.argv[1]), Path(sys.argv[2]))
        bases._BASES = (base,)
        print("ready", flush=True)
        sys.stdin.readline()
        found = locate("toy")
        print(found.digest, found.folder)
        """
    )
    root = Path(__file__).parents[3]
    processes = []
    for number in range(2):
        shelf = machine / "shelf" if number == 0 else machine / "other-shelf"
        command = [sys.executable, "-c", script, str(toy_base), str(shelf)]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outcomes = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outcomes
    assert outcomes[0][0] == outcomes[1][0]
    assert locate("toy", fetch=False).source == "fewfit's cache"
    assert [path.name for path in (machine / "cache" / "bases").glob("[!.]*")] == ["toy"]
