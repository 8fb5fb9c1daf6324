import asyncio
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.errors import InputError, QueueFullError
from fewfit.service import Service
from fewfit.service.errors import BusyError, DatabaseError, ForbiddenError, NotFoundError, NotReadyError
from fewfit.service.in_use.classifying import ExampleSets
from fewfit.service.in_use.loading import LoadedModel, TorchLoader
from fewfit.service.in_use.registry import Registry
from fewfit.service.records import Hyperparameters, LabelledText, Model, Truncate
from fewfit.service.service import cache_folder
from fewfit.serving import Engine
from fewfit.serving.parity import TOLERANCE
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import MULTI, Shop, a_caller, jsonl, multi_rows, settings_for, single_rows

TRUNCATES: tuple[Truncate, ...] = ("END", "START", "NONE")
TEXTS = ["the parcel is late", "refund my card", "I forgot my password", "x " * 200]
EXAMPLES = [LabelledText(row["text"], row["label"]) for row in single_rows(8)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, small_base: Path) -> Iterator[tuple[Shop, Model, Model]]:
    """A shop with a single-label and a multilabel model. Leave them as they are."""
    shop = Shop(settings_for(tmp_path_factory.mktemp("trained"), small_base))
    yield shop, shop.model(), shop.model(jsonl(multi_rows(60)), kind=MULTI)
    shop.close()


def test_answers_are_those_of_the_classifier_itself(trained: tuple[Shop, Model, Model]) -> None:
    shop, *models = trained
    for model in models:
        answers = shop.service.classify(shop.admin, TEXTS, model=model.id + "-ft")
        classifier = Classifier.load(cache_folder(shop.service.settings) / f"{model.id}-1")
        expected = classifier.predict_proba(TEXTS)
        found = [[text.labels[label] for label in classifier.classes_] for text in answers.texts]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        predictions = classifier.predict(TEXTS)
        if model.kind == "single":
            assert [text.predictions for text in answers.texts] == [(label,) for label in predictions]
        else:
            assert [list(text.predictions) for text in answers.texts] == predictions


def test_coroutines_get_the_same_answers_and_errors(trained: tuple[Shop, Model, Model]) -> None:
    shop, *models = trained
    torch = Service.open(shop.service.settings, loader=TorchLoader())
    for service in (shop.service, torch):
        for model in models:
            for _ in range(2):  # from the store, then from memory
                found = asyncio.run(service.classify_async(shop.admin, TEXTS, model=model.id))
                assert found == service.classify(shop.admin, TEXTS, model=model.id)
        with pytest.raises(InputError, match="Text 4 has"):
            asyncio.run(service.classify_async(shop.admin, TEXTS, model=models[0].id, truncate="NONE"))
    torch.close()
    for caller, model_id, error in (
        (a_caller("read"), models[0].id, ForbiddenError),
        (a_caller(organization_id="other"), models[0].id, NotFoundError),
    ):
        with pytest.raises(error):
            asyncio.run(shop.service.classify_async(caller, ["x"], model=model_id))


def test_a_model_without_a_fast_tier_answers_in_full_and_says_so(trained: tuple[Shop, Model, Model]) -> None:
    shop, model, multi = trained
    found = asyncio.run(shop.service.classify_async(shop.admin, TEXTS, model=model.id, speed="fast"))
    assert found.texts == shop.service.classify(shop.admin, TEXTS, model=model.id).texts
    assert "no fast tier" in found.warnings[0]
    with pytest.raises(InputError, match="not both"):
        asyncio.run(
            shop.service.classify_async(shop.admin, ["x"], model=multi.id, speed="fast", thresholds={"billing": 0.1})
        )


def test_what_memory_knows_of_a_model_ends_with_it(shop: Shop) -> None:
    model = shop.model()
    assert not shop.service.is_ready_at_once(shop.admin, model.id)
    asyncio.run(shop.service.classify_async(shop.admin, ["x"], model=model.id))
    assert shop.service.is_ready_at_once(shop.admin, model.id)
    assert not shop.service.is_ready_at_once(a_caller(organization_id="other"), model.id)
    shop.service.models.delete(shop.admin, model.id)
    assert not shop.service.is_ready_at_once(shop.admin, model.id)
    with pytest.raises(NotFoundError):
        asyncio.run(shop.service.classify_async(shop.admin, ["x"], model=model.id))


def test_a_version_answers_as_soon_as_it_is_promoted(shop: Shop) -> None:
    model = shop.model()
    shop.service.models.retrain(shop.admin, model.id, hyperparameters=Hyperparameters(train_epochs=1))
    shop.work()
    for number, change in ((1, None), (2, shop.service.models.promote), (1, shop.service.models.rollback)):
        if change is not None:
            change(shop.admin, model.id, *([2] if number == 2 else []))
        asyncio.run(shop.service.classify_async(shop.admin, ["x"], model=model.id))
        version = shop.service.models.ready_at_once("default", model.id)
        assert version is not None
        assert version.number == number


def test_a_store_that_cannot_be_written_does_not_keep_the_answer_back(
    trained: tuple[Shop, Model, Model], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shop, model, _ = trained

    def touch(model_id: str) -> None:
        raise DatabaseError

    monkeypatch.setattr(shop.service.models, "touch", touch)
    monkeypatch.setattr(shop.service._classifying, "_used_s", {})
    assert shop.service.classify(shop.admin, ["x"], model=model.id).texts
    assert "could not be written" in caplog.text


def test_an_answer_has_the_text_as_sent_and_confidences_in_order(trained: tuple[Shop, Model, Model]) -> None:
    shop, single, multi = trained
    texts = ["  The PARCEL ", "card\n", "mixed parcel and card and password"]
    for answer, text in zip(shop.service.classify(shop.admin, texts, model=single.id).texts, texts, strict=True):
        assert answer.input == text
        assert sum(answer.labels.values()) == pytest.approx(1)
        assert answer.confidences == (max(answer.labels.values()),)
        assert answer.labels[answer.predictions[0]] == answer.confidences[0]
    everything = shop.service.classify(shop.admin, texts, model=multi.id, thresholds=0.0)
    assert everything.kind == "multi"
    for answer in everything.texts:
        assert len(answer.predictions) == 3
        assert list(answer.confidences) == sorted(answer.confidences, reverse=True)
        assert [answer.labels[label] for label in answer.predictions] == list(answer.confidences)
    nothing = shop.service.classify(shop.admin, texts, model=multi.id, thresholds=1.0)
    assert all(not answer.predictions and not answer.confidences for answer in nothing.texts)


def test_a_text_is_cut_at_the_wanted_side(trained: tuple[Shop, Model, Model]) -> None:
    shop, model, _ = trained
    long = "parcel " * 100 + "password " * 100

    def labels(text: str, truncate: Truncate) -> dict[str, float]:
        return dict(shop.service.classify(shop.admin, [text], model=model.id, truncate=truncate).texts[0].labels)

    assert labels(long, "END") == pytest.approx(labels("parcel " * 100, "END"), abs=1e-6)
    assert labels(long, "START") == pytest.approx(labels("password " * 100, "START"), abs=0.05)
    assert labels(long, "START") != pytest.approx(labels(long, "END"), abs=1e-3)
    with pytest.raises(InputError, match="Text 1 has"):
        labels(long, "NONE")
    with pytest.raises(InputError, match="START, END, NONE"):
        shop.service.classify(shop.admin, ["x"], model=model.id, truncate="MIDDLE")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "1 to 96"),
        (["x"] * 97, "at most 96 inputs are allowed, received 97"),
        (["fine", ""], r"inputs\[1\] is empty"),
        (["\ud800"], "Unicode"),
    ],
)
def test_senseless_inputs_are_refused(trained: tuple[Shop, Model, Model], inputs: list[str], message: str) -> None:
    shop, model, _ = trained
    with pytest.raises(InputError, match=f"(?i){message}"):
        shop.service.classify(shop.admin, inputs, model=model.id)
    with pytest.raises(InputError, match=f"(?i){message}"):
        shop.service.classify_examples(shop.admin, inputs, EXAMPLES)


def test_thresholds_are_checked(trained: tuple[Shop, Model, Model]) -> None:
    shop, single, multi = trained
    with pytest.raises(InputError, match="single-label"):
        shop.service.classify(shop.admin, ["x"], model=single.id, thresholds=0.5)
    with pytest.raises(InputError, match="'nope'"):
        shop.service.classify(shop.admin, ["x"], model=multi.id, thresholds={"nope": 0.5})


def test_a_text_gets_the_same_answer_whatever_is_beside_it(trained: tuple[Shop, Model, Model]) -> None:
    shop, model, _ = trained
    together = shop.service.classify(shop.admin, TEXTS * 10, model=model.id)
    for text, answer in zip(TEXTS, together.texts, strict=False):
        alone = shop.service.classify(shop.admin, [text], model=model.id).texts[0]
        assert alone.labels == pytest.approx(answer.labels, abs=1e-5)


def test_the_scope_classify_is_needed(trained: tuple[Shop, Model, Model]) -> None:
    shop, model, _ = trained
    for caller in (a_caller("read"), a_caller("train")):
        with pytest.raises(ForbiddenError, match="classify"):
            shop.service.classify(caller, ["x"], model=model.id)
        with pytest.raises(ForbiddenError, match="classify"):
            shop.service.classify_examples(caller, ["x"], EXAMPLES)
    assert shop.service.classify(a_caller("classify"), ["x"], model=model.id).kind == "single"


def test_a_model_that_is_not_ready_says_what_it_is_doing(shop: Shop) -> None:
    model = shop.model(work=False)
    with pytest.raises(NotReadyError, match="waiting to be trained"):
        shop.service.classify(shop.admin, ["x"], model=model.id)
    with pytest.raises(NotFoundError):
        shop.service.classify(shop.admin, ["x"], model="english")


def test_the_time_of_last_use_is_kept(trained: tuple[Shop, Model, Model]) -> None:
    shop, model, _ = trained
    shop.service.classify(shop.admin, ["x"], model=model.id)
    assert shop.service.models.get(shop.admin, model.id).last_used_at is not None


def test_examples_alone_are_enough(trained: tuple[Shop, Model, Model]) -> None:
    shop, _, _ = trained
    texts = [row["text"] for row in single_rows(8)]
    answers = shop.service.classify_examples(shop.admin, texts, EXAMPLES)
    right = [answer.predictions[0] == example.label for answer, example in zip(answers.texts, EXAMPLES, strict=True)]
    assert np.mean(right) > 0.6  # a random encoder; chance is 0.33
    assert answers.kind == "single"
    assert all(sum(answer.labels.values()) == pytest.approx(1) for answer in answers.texts)
    assert shop.service.classify_examples(shop.admin, texts, EXAMPLES) == answers


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "2 different labels"),
        ([LabelledText("a", "x"), LabelledText("b", "x")], "only 'x'"),
        ([LabelledText("a", "x"), LabelledText("b", "x"), LabelledText("c", "y")], "these have 1: 'y'"),
        ([LabelledText("", "x")], r"examples\[0\]"),
        ([LabelledText("a", "\ud800")], "Unicode"),
        ([LabelledText("a", "x")] * 2501, "received 2501"),
    ],
)
def test_senseless_examples_are_refused(
    trained: tuple[Shop, Model, Model], examples: list[LabelledText], message: str
) -> None:
    shop, _, _ = trained
    with pytest.raises(InputError, match=message):
        shop.service.classify_examples(shop.admin, ["x"], examples)


def test_only_so_many_sets_of_examples_are_kept(trained: tuple[Shop, Model, Model]) -> None:
    shop, model, _ = trained
    decision = shop.service._registry.get(shop.service.models.ready_version("default", model.id)).decision
    sets = ExampleSets(limit=2)
    for key in ("a", "b"):
        sets.put(key, decision)
    sets.get("a")
    sets.put("c", decision)
    assert sets.get("b") is None
    assert sets.get("a") is sets.get("c") is decision


class SlowLoader(TorchLoader):
    """Waits before it loads one model, and counts what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.slow = ""
        self.waiting = threading.Event()
        self.go = threading.Event()

    def load(self, folder: Path, base: str) -> LoadedModel:
        self.loaded.append(folder.name)
        if self.slow and folder.name.startswith(self.slow):
            self.waiting.set()
            assert self.go.wait(20)
        return super().load(folder, base)


def test_torch_and_the_engine_give_the_same_answers(trained: tuple[Shop, Model, Model]) -> None:
    shop, *models = trained
    torch = Service.open(shop.service.settings, loader=TorchLoader())
    for model in models:
        for truncate in TRUNCATES:
            texts = TEXTS[:3] if truncate == "NONE" else TEXTS
            found = shop.service.classify(shop.admin, texts, model=model.id, truncate=truncate)
            expected = torch.classify(shop.admin, texts, model=model.id, truncate=truncate)
            for one, other in zip(found.texts, expected.texts, strict=True):
                # Within what the parity gate allows an artifact in int8.
                assert one.labels == pytest.approx(other.labels, abs=TOLERANCE)
    torch.close()


def test_an_overloaded_engine_refuses_with_the_time_to_wait(
    trained: tuple[Shop, Model, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, model, _ = trained

    def enqueue(*arguments: object, **options: object) -> None:
        raise QueueFullError("raise queue_limit_texts")

    monkeypatch.setattr(Engine, "_enqueue", enqueue)
    with pytest.raises(BusyError) as caught:
        shop.service.classify(shop.admin, ["x"], model=model.id)
    assert caught.value.retry_after_s > 0
    assert "queue_limit_texts" not in str(caught.value)
    with pytest.raises(BusyError):
        asyncio.run(shop.service.classify_async(shop.admin, ["x"], model=model.id))


def _registry(shop: Shop, loader: TorchLoader, max_models: int = 8) -> Registry:
    service = shop.service
    return Registry(service.database, service.files, loader, cache_folder(service.settings), max_models=max_models)


def test_loading_one_model_does_not_stall_the_others(trained: tuple[Shop, Model, Model]) -> None:
    shop, single, multi = trained
    loader = SlowLoader()
    registry = _registry(shop, loader)
    versions = [shop.service.models.ready_version("default", model.id) for model in (single, multi)]
    registry.get(versions[1])
    loader.slow = single.id
    got: list[LoadedModel] = []
    threads = [threading.Thread(target=lambda: got.append(registry.get(versions[0]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert loader.waiting.wait(20)
    assert registry.get(versions[1]).decision.kind == "multi"
    loader.go.set()
    for thread in threads:
        thread.join()
    assert len(loader.loaded) == 2
    assert len({id(model) for model in got}) == 1


def test_the_model_unused_for_longest_leaves_memory(trained: tuple[Shop, Model, Model]) -> None:
    shop, single, multi = trained
    loader = SlowLoader()
    registry = _registry(shop, loader, max_models=1)
    for model in (single, multi, multi, single):
        registry.get(shop.service.models.ready_version("default", model.id))
        assert registry.n_loaded == 1
    assert len(loader.loaded) == 3


@pytest.mark.parametrize("name", ["model.json", "head.safetensors"])
def test_a_damaged_copy_in_the_cache_is_fetched_again(trained: tuple[Shop, Model, Model], name: str) -> None:
    shop, model, _ = trained
    version = shop.service.models.ready_version("default", model.id)
    _registry(shop, TorchLoader()).get(version)
    file = cache_folder(shop.service.settings) / f"{model.id}-1" / name
    content = file.read_bytes()
    file.unlink()  # a link: writing into it would damage the file store
    file.write_bytes(content[:-10])
    assert _registry(shop, TorchLoader()).get(version).decision.labels == model.labels
    assert file.read_bytes() == content


def test_a_copy_in_the_cache_from_before_a_backup_was_restored_does_not_answer(
    trained: tuple[Shop, Model, Model],
) -> None:
    shop, model, multi = trained
    version, other = (shop.service.models.ready_version("default", one.id) for one in (model, multi))
    _registry(shop, TorchLoader()).get(other)
    cache = cache_folder(shop.service.settings)
    shutil.rmtree(cache / f"{model.id}-1", ignore_errors=True)
    shutil.copytree(cache / f"{multi.id}-1", cache / f"{model.id}-1")  # whole, but not what the database knows
    assert _registry(shop, TorchLoader()).get(version).decision.kind == "single"


def test_the_cache_may_be_deleted_at_any_time(trained: tuple[Shop, Model, Model]) -> None:
    shop, model, _ = trained
    registry = _registry(shop, TorchLoader())
    shutil.rmtree(cache_folder(shop.service.settings), ignore_errors=True)
    version = shop.service.models.ready_version("default", model.id)
    assert registry.get(version).decision.labels == model.labels


def test_texts_are_tokenized_as_the_base_reads_them(trained: tuple[Shop, Model, Model]) -> None:
    shop, model, _ = trained
    anyone: Any = a_caller("classify")
    tokens = shop.service.tokenize(anyone, "the parcel is late", model.id)
    assert shop.service.tokenize(anyone, "the parcel is late", "small") == tokens
    assert shop.service.tokenize(anyone, "the parcel is late", "embed-english-v3.0") == tokens
    assert len(tokens.ids) == len(tokens.strings) > 3
    assert shop.service.detokenize(anyone, tokens.ids, model.id).strip() == "the parcel is late"
    with pytest.raises(NotFoundError):
        shop.service.tokenize(anyone, "x", "nothing")
    bad: Sequence[Sequence[int]] = ([], [-1], [10**9])
    for ids in bad:
        with pytest.raises(InputError):
            shop.service.detokenize(anyone, ids, model.id)
    for text in ("", "x" * 65_537, "\ud800"):
        with pytest.raises(InputError):
            shop.service.tokenize(anyone, text, model.id)


def test_a_copy_that_is_deleted_while_it_is_read_is_fetched_again(
    trained: tuple[Shop, Model, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, model, _ = trained
    loader = TorchLoader()
    load = loader.load
    deleted: list[Path] = []

    def load_meanwhile(folder: Path, base: str) -> LoadedModel:
        if not deleted:
            deleted.append(folder)
            shutil.rmtree(folder)
        return load(folder, base)

    monkeypatch.setattr(loader, "load", load_meanwhile)
    shutil.rmtree(cache_folder(shop.service.settings), ignore_errors=True)
    version = shop.service.models.ready_version("default", model.id)
    assert _registry(shop, loader).get(version).decision.labels == model.labels
    assert deleted


def test_a_server_deletes_its_copies_of_what_another_one_deleted_or_that_answers_no_longer(
    open_shop: OpenShop, tmp_path: Path
) -> None:
    shop = open_shop()
    model, kept = shop.model(), shop.model()
    elsewhere = Service.open(replace(shop.service.settings, max_loaded_models=1))
    cache = cache_folder(shop.service.settings)
    for one in (model, kept):
        elsewhere.classify(shop.admin, ["x"], model=one.id)
    shutil.copytree(cache / f"{kept.id}-1", cache / f"{kept.id}-7")
    (cache / f"{model.id}-1").rename(tmp_path / "away")  # it is in another machine's cache
    shop.service.models.delete(shop.admin, model.id)
    (tmp_path / "away").rename(cache / f"{model.id}-1")
    stream, broken_off = shop.service.files.new_file()
    stream.close()
    os.utime(broken_off, (0, 0))
    ending = threading.Event()
    ending.set()
    elsewhere.tidy_regularly(ending)
    assert [folder.name for folder in cache.iterdir()] == [f"{kept.id}-1"]
    assert list(shop.service.files.staging.iterdir()) == []
    elsewhere.close()
