import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewfit.artifact import write_artifact
from fewfit.encoders.tokenizing import Truncate
from fewfit.encoders.windows import MOST_WINDOWS
from fewfit.errors import InputError, ModelNotLoadedError, QueueFullError
from fewfit.serving.engine import Engine, EngineSettings
from fewfit.serving.runtime import TrunkRunner
from fewfit.serving.served import ServedModel
from fewfit.serving.sessions import TailSession
from tests.unit.serving.models import NEAR, TEXTS, ToyModel, cosines

# One unit in the last place of float32, a few times: what a batch may change.
SAME = 1e-6
SIDES: tuple[Truncate, ...] = ("end", "start")


def _many(n_texts: int, seed: int = 0) -> list[str]:
    words = " ".join(TEXTS).split()
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, size=rng.integers(0, 30))) for _ in range(n_texts)]


class _Held:
    """A trunk that waits until it is let go, so that a test knows what is in the queue."""

    def __init__(self, trunk: TrunkRunner) -> None:
        self.trunk = trunk
        self.let_go = threading.Event()
        self.calls: list[tuple[int, int]] = []
        self._run = trunk.run

    def run(self, ids: Any, mask: Any) -> Any:
        self.calls.append(ids.shape)
        assert self.let_go.wait(10)
        return self._run(ids, mask)


@pytest.fixture
def held(toy: ToyModel, monkeypatch: pytest.MonkeyPatch) -> _Held:
    from fewfit.serving.served import ModelLoader

    trunks: list[_Held] = []
    load = ModelLoader.load

    def loading(self: ModelLoader, *arguments: Any) -> Any:
        model = load(self, *arguments)
        if not trunks:
            trunks.append(_Held(model.trunk))
        monkeypatch.setattr(model.trunk, "run", trunks[0].run)
        return model

    monkeypatch.setattr(ModelLoader, "load", loading)
    engine = Engine()
    engine.load("first", toy.artifact)
    engine.close()
    return trunks[0]


def test_answers_are_the_torch_models_in_the_order_asked(toy: ToyModel) -> None:
    texts = [*TEXTS, *_many(50)]
    embeddings = toy.runtime.embed(texts)
    wanted = toy.artifact.decision.probabilities(embeddings)
    with Engine() as engine:
        engine.load("toy", toy.artifact)
        answers = engine.answer("toy", texts)
    assert cosines(answers.embeddings, embeddings).min() > NEAR
    assert (answers.confidences.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= 0.95
    assert not answers.errors


@pytest.mark.parametrize("size", [1, 7, 32, 96])
@pytest.mark.parametrize("batch_tokens", [64, 256, 4096])
def test_an_answer_never_depends_on_its_batch(toy: ToyModel, size: int, batch_tokens: int) -> None:
    texts = [*TEXTS, *_many(86)]
    order = np.random.default_rng(1).permutation(len(texts))
    with Engine(EngineSettings(batch_tokens=batch_tokens)) as engine:
        engine.load("toy", toy.artifact)
        model = engine.models.get("toy")
        alone = np.concatenate([model.embed([text]) for text in texts])
        shuffled = [texts[row] for row in order]
        parts = [engine.answer("toy", shuffled[start : start + size]) for start in range(0, len(texts), size)]
    together = np.concatenate([part.embeddings for part in parts])
    np.testing.assert_allclose(together, alone[order], atol=SAME)


def test_callers_of_several_models_share_trunk_batches(toy: ToyModel, others: list[ToyModel]) -> None:
    models = [toy, *others]
    texts = _many(40)
    with Engine() as engine:
        for number, model in enumerate(models):
            engine.load(str(number), model.artifact)
        assert len({id(engine.models.get(str(number)).trunk) for number in range(3)}) == 1
        alone = [engine.answer(str(number), texts).embeddings for number in range(3)]
        futures = [engine.submit(str(row % 3), [text]) for row, text in enumerate(texts * 3)]
        mixed = [future.result(10).embeddings[0] for future in futures]
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    for row, embedding in enumerate(mixed):
        np.testing.assert_allclose(embedding, alone[row % 3][row % len(texts)], atol=SAME)


def test_confidences_are_those_of_the_embeddings_whichever_models_share_a_batch(
    toy: ToyModel, others: list[ToyModel], reader: ToyModel
) -> None:
    models = {"toy": toy, "reader": reader, **{f"other {number}": other for number, other in enumerate(others)}}
    texts = [*TEXTS, " ".join(TEXTS * 3)]  # of the last one, `reader` reads several windows
    with Engine() as engine:
        for name, model in models.items():
            engine.load(name, model.artifact)
        futures = [(name, engine.submit(name, texts[start:])) for start in range(len(texts)) for name in models]
        for name, future in futures:
            answers = future.result()
            wanted = models[name].artifact.decision.probabilities(answers.embeddings)
            np.testing.assert_allclose(answers.confidences, wanted, atol=SAME, err_msg=name)


def test_many_threads_get_what_one_gets(toy: ToyModel) -> None:
    texts = _many(200)
    with Engine() as engine:
        engine.load("toy", toy.artifact)
        wanted = engine.answer("toy", texts).embeddings
        with ThreadPoolExecutor(64) as pool:
            found = list(pool.map(lambda text: engine.answer("toy", [text]).embeddings[0], texts))
    np.testing.assert_allclose(np.stack(found), wanted, atol=SAME)


def test_coroutines_get_what_threads_get(toy: ToyModel) -> None:
    texts = _many(64)

    async def ask(engine: Engine) -> Sequence[np.ndarray]:
        answers = await asyncio.gather(*(engine.answer_async("toy", [text]) for text in texts))
        return [answer.embeddings[0] for answer in answers]

    with Engine() as engine:
        engine.load("toy", toy.artifact)
        wanted = engine.answer("toy", texts).embeddings
        np.testing.assert_allclose(np.stack(asyncio.run(ask(engine))), wanted, atol=SAME)


def test_waiting_texts_are_batched_by_length_with_little_padding(toy: ToyModel, held: _Held) -> None:
    texts = _many(300)
    with Engine(EngineSettings(workers=1, batch_tokens=256)) as engine:
        engine.load("toy", toy.artifact)
        futures = [engine.submit("toy", [text]) for text in texts]
        held.let_go.set()
        for future in futures:
            future.result(10)
        statistics = engine.statistics()
    assert statistics.texts == 300
    assert statistics.texts_per_batch > 5
    assert statistics.padding <= 0.05
    assert all(rows * longest <= 256 or rows == 1 for rows, longest in held.calls)


def test_one_text_that_cannot_be_read_fails_alone(toy: ToyModel) -> None:
    texts: list[Any] = ["fine", None, "also fine", "\ud800 half a character"]
    with Engine() as engine:
        engine.load("toy", toy.artifact)
        answers = engine.answer("toy", texts)
        wanted = engine.answer("toy", ["fine", "also fine"]).embeddings
    assert 1 in answers.errors
    np.testing.assert_allclose(answers.embeddings[[0, 2]], wanted, atol=SAME)
    assert np.isnan(answers.confidences[1]).all()
    with pytest.raises(InputError, match="Text 2 "):
        answers.raise_for_errors()


def test_the_end_or_the_start_of_long_texts_is_left_out_or_they_fail_alone(toy: ToyModel) -> None:
    start, end = "the parcel has not arrived", "what a lovely film"
    long = " ".join([start, *["no"] * 100, end])
    with Engine() as engine:
        engine.load("toy", toy.artifact)
        by_end, by_start = [engine.answer("toy", [long], truncate=side).embeddings for side in SIDES]
        assert np.abs(by_end - by_start).max() > 0.01
        np.testing.assert_array_equal(engine.answer("toy", [long + " and more"]).embeddings, by_end)
        answers = engine.answer("toy", ["short", long], truncate="none")
    assert np.isfinite(answers.embeddings[0]).all()
    assert list(answers.errors) == [1]
    assert "Text 2 has" in str(answers.errors[1])


LONG = "the parcel has not arrived and nobody answers " * 12
# One window, several, more than are read.
MIXED = [*TEXTS, LONG, "no", LONG * 3 + TEXTS[3], LONG * 40, "how do I", LONG + TEXTS[4]]


@pytest.fixture(scope="module")
def reader(toy_base: Path) -> ToyModel:
    """A model that reads long texts in windows."""
    return ToyModel(toy_base, windows=MOST_WINDOWS)


@pytest.mark.parametrize("batch_tokens", [64, 256, 4096])
def test_windows_of_long_texts_are_averaged_whatever_the_batch(reader: ToyModel, batch_tokens: int) -> None:
    with Engine(EngineSettings(batch_tokens=batch_tokens)) as engine:
        model = engine.load("reader", reader.artifact)
        together = engine.answer("reader", MIXED)
        alone = np.concatenate([engine.answer("reader", [text]).embeddings for text in MIXED])
        direct = model.embed(MIXED)
    assert len(model.encode([LONG * 40])[0].ids) == MOST_WINDOWS
    np.testing.assert_allclose(together.embeddings, alone, atol=SAME)
    np.testing.assert_allclose(together.embeddings, direct, atol=SAME)
    assert cosines(together.embeddings, reader.runtime.embed(MIXED)).min() > NEAR


def test_windows_change_long_texts_alone(toy: ToyModel, reader: ToyModel) -> None:
    with Engine() as engine:
        engine.load("cut", toy.artifact)
        engine.load("windows", reader.artifact)
        cut, windows = (engine.answer(name, [*TEXTS, LONG]).embeddings for name in ("cut", "windows"))
    np.testing.assert_allclose(windows[:-1], cut[:-1], atol=SAME)
    assert np.abs(windows[-1] - cut[-1]).max() > 0.001


def test_a_text_with_a_window_that_breaks_fails_once_and_alone(
    reader: ToyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine(EngineSettings(workers=1)) as engine:
        model = engine.load("reader", reader.artifact)
        bad = model.encode([LONG])[0].ids
        run = model.trunk.run

        def breaking(ids: Any, mask: Any) -> Any:
            if any(row[: len(window)].tolist() == window for row in ids for window in bad):
                raise RuntimeError("the machine is on fire")
            return run(ids, mask)

        monkeypatch.setattr(model.trunk, "run", breaking)
        answers = engine.answer("reader", ["no", "\ud800", LONG, TEXTS[4] * 4])
        assert engine.statistics().failed_texts == 2
    assert sorted(answers.errors) == [1, 2]
    assert "Text 3 could not be answered: the machine is on fire" in str(answers.errors[2])
    assert np.isnan(answers.embeddings[1:3]).all()
    assert np.isfinite(answers.embeddings[[0, 3]]).all()


def test_a_list_of_long_texts_is_fed_bit_by_bit_and_refused_by_texts(reader: ToyModel, held: _Held) -> None:
    held.let_go.set()
    with Engine(EngineSettings(queue_limit_texts=40)) as engine:
        model = engine.load("reader", reader.artifact)
        texts = [LONG * 40] * 7
        np.testing.assert_allclose(engine.answer("reader", texts).embeddings, model.embed(texts), atol=SAME)
        with pytest.raises(QueueFullError):
            engine.submit("reader", texts)
        assert engine.statistics().refused_texts == 7


def test_windows_are_cached_one_by_one(reader: ToyModel) -> None:
    with Engine(EngineSettings(cache_limit_bytes=10_000_000)) as engine:
        engine.load("reader", reader.artifact)
        wanted = engine.answer("reader", [LONG, "no"]).embeddings
        hits = engine.statistics().cache_hits
        np.testing.assert_array_equal(engine.answer("reader", [LONG, "no"]).embeddings, wanted)
        n_windows = len(engine.models.get("reader").encode([LONG, "no"])[0].ids)
        assert engine.statistics().cache_hits == hits + n_windows
        assert n_windows > 2


def test_one_text_that_breaks_the_computation_fails_alone(toy: ToyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["no", "how do I", "what a film", "ok"]
    with Engine(EngineSettings(workers=1)) as engine:
        model = engine.load("toy", toy.artifact)
        bad = model.tokenizer.encode(["what a film"])[0]
        run = model.trunk.run

        def breaking(ids: Any, mask: Any) -> Any:
            if any(row[: len(bad)].tolist() == bad for row in ids):
                raise RuntimeError("the machine is on fire")
            return run(ids, mask)

        monkeypatch.setattr(model.trunk, "run", breaking)
        answers = engine.answer("toy", texts)
        assert engine.statistics().failed_texts == 1
    assert list(answers.errors) == [2]
    assert "on fire" in str(answers.errors[2])
    assert np.isfinite(answers.embeddings[[0, 1, 3]]).all()


def test_a_full_queue_refuses_and_takes_texts_again_when_it_has_room(toy: ToyModel, held: _Held) -> None:
    with Engine(EngineSettings(workers=1, queue_limit_texts=10)) as engine:
        engine.load("toy", toy.artifact)
        waiting = [engine.submit("toy", ["hello"])]
        while engine.statistics().waiting_texts:
            time.sleep(0.001)  # until the worker has taken it up
        waiting.append(engine.submit("toy", ["a"] * 10))
        with pytest.raises(QueueFullError, match="10 texts are waiting and 1 more"):
            engine.submit("toy", ["one too many"])
        held.let_go.set()
        for future in waiting:
            future.result(10)
        assert engine.answer("toy", ["hello"]).embeddings.shape == (1, 32)
        assert engine.statistics().refused_texts == 1


def test_who_waits_is_not_refused(toy: ToyModel) -> None:
    texts = _many(60)
    with Engine(EngineSettings(workers=1, queue_limit_texts=8)) as engine:
        model = engine.load("toy", toy.artifact)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: engine.answer("toy", texts, wait=True).embeddings, range(8)))
        assert engine.statistics().refused_texts == 0
    for embeddings in found:
        np.testing.assert_allclose(embeddings, model.embed(texts), atol=SAME)


def test_who_waits_is_told_when_the_engine_closes(toy: ToyModel, held: _Held) -> None:
    engine = Engine(EngineSettings(workers=1, queue_limit_texts=1))
    engine.load("toy", toy.artifact)
    with ThreadPoolExecutor(2) as pool:
        first = engine.submit("toy", ["hello"])
        while engine.statistics().waiting_texts:
            time.sleep(0.001)
        second = engine.submit("toy", ["that waits"])
        third = pool.submit(engine.answer, "toy", ["that finds no room"], wait=True)
        closing = pool.submit(engine.close)
        with pytest.raises(QueueFullError, match="closing"):
            third.result(10)
        held.let_go.set()
        closing.result(10)
    assert np.isfinite(first.result(1).embeddings).all()
    assert np.isfinite(second.result(1).embeddings).all()


def test_a_list_longer_than_the_queue_is_fed_bit_by_bit(toy: ToyModel) -> None:
    texts = _many(100)
    with Engine(EngineSettings(queue_limit_texts=20)) as engine:
        model = engine.load("toy", toy.artifact)
        answers = engine.answer("toy", [*texts, None])  # type: ignore[list-item]
        np.testing.assert_allclose(answers.embeddings[:100], model.embed(texts), atol=SAME)
        assert list(answers.errors) == [100]


def test_a_cancelled_request_leaves_the_queue(toy: ToyModel, held: _Held) -> None:
    with Engine(EngineSettings(workers=1)) as engine:
        engine.load("toy", toy.artifact)
        first = engine.submit("toy", ["hello"])
        while engine.statistics().waiting_texts:
            time.sleep(0.001)
        dropped = engine.submit("toy", _many(50))
        kept = engine.submit("toy", ["a kept text"])
        assert dropped.cancel()
        held.let_go.set()
        assert np.isfinite(first.result(10).embeddings).all()
        assert np.isfinite(kept.result(10).embeddings).all()
        with pytest.raises(CancelledError):
            dropped.result(1)
    assert sum(rows for rows, _ in held.calls) == 2


def test_a_cancelled_task_leaves_the_queue(toy: ToyModel, held: _Held) -> None:
    async def ask(engine: Engine) -> None:
        first = asyncio.create_task(engine.answer_async("toy", ["hello"]))
        while not held.calls:
            await asyncio.sleep(0.001)
        dropped = asyncio.create_task(engine.answer_async("toy", ["give up", "on these"]))
        await asyncio.sleep(0.01)
        dropped.cancel()
        await asyncio.sleep(0)
        held.let_go.set()
        await first

    with Engine(EngineSettings(workers=1)) as engine:
        engine.load("toy", toy.artifact)
        asyncio.run(ask(engine))
    assert sum(rows for rows, _ in held.calls) == 1


def test_a_task_that_is_cancelled_while_its_texts_are_read_leaves_the_queue(
    toy: ToyModel, held: _Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, read_on = threading.Event(), threading.Event()
    encode = ServedModel.encode

    def slow_encode(self: ServedModel, texts: Sequence[str], *arguments: Any) -> Any:
        if len(texts) > 1:
            reading.set()
            assert read_on.wait(10)
        return encode(self, texts, *arguments)

    async def ask(engine: Engine) -> None:
        first = asyncio.create_task(engine.answer_async("toy", ["hello"]))
        while not held.calls:
            await asyncio.sleep(0.001)
        dropped = asyncio.create_task(engine.answer_async("toy", ["give up " * 2000, "on these " * 2000]))
        assert await asyncio.to_thread(reading.wait, 10)
        dropped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped
        read_on.set()
        while not engine.statistics().waiting_texts:
            await asyncio.sleep(0.001)
        held.let_go.set()
        await first

    monkeypatch.setattr(ServedModel, "encode", slow_encode)
    with Engine(EngineSettings(workers=1)) as engine:
        engine.load("toy", toy.artifact)
        asyncio.run(ask(engine))
    assert sum(rows for rows, _ in held.calls) == 1


def test_a_text_that_is_none_fails_alone_for_coroutines_too(toy: ToyModel) -> None:
    with Engine() as engine:
        engine.load("toy", toy.artifact)
        answers = asyncio.run(engine.answer_async("toy", ["hello", None]))  # type: ignore[list-item]
        assert list(answers.errors) == [1]
        for ask in (engine.answer, engine.submit):
            with pytest.raises(InputError, match="Got one string; expected a list of texts"):
                ask("toy", "hello")


@pytest.mark.parametrize("name", ["workers", "batch_tokens", "queue_limit_texts"])
def test_an_engine_without_workers_or_room_is_refused(name: str) -> None:
    given: dict[str, Any] = {name: 0}
    with pytest.raises(InputError, match=f"{name} is 0; expected a whole number from 1 on"):
        EngineSettings(**given)


def test_a_model_is_swapped_without_a_gap(toy: ToyModel, others: list[ToyModel]) -> None:
    text = "please send the invoice"
    with Engine() as engine:
        engine.load("model", toy.artifact)
        before = engine.answer("model", [text]).embeddings
        after = others[0].runtime.embed([text])
        stop = threading.Event()
        seen: list[np.ndarray] = []

        def ask() -> None:
            while not stop.is_set():
                seen.append(engine.answer("model", [text]).embeddings)

        asking = threading.Thread(target=ask)
        asking.start()
        engine.load("model", others[0].artifact)
        answered = len(seen)
        while len(seen) < answered + 3:
            time.sleep(0.001)
        stop.set()
        asking.join()
    new = seen[-1]
    assert np.abs(new - after).max() < 0.05
    for embedding in seen:
        assert min(np.abs(embedding - before).max(), np.abs(embedding - new).max()) < SAME


def test_unknown_models_are_named(toy: ToyModel) -> None:
    with Engine() as engine:
        engine.load("toy", toy.artifact)
        with pytest.raises(ModelNotLoadedError, match=r"no model 'tou'; there are: toy"):
            engine.answer("tou", ["hello"])


def test_no_texts_give_no_answers(toy: ToyModel) -> None:
    with Engine() as engine:
        engine.load("toy", toy.artifact)
        assert engine.answer("toy", []).confidences.shape == (0, 3)


def test_a_closed_engine_has_answered_what_waited_and_takes_no_more(toy: ToyModel) -> None:
    engine = Engine()
    engine.load("toy", toy.artifact)
    future = engine.submit("toy", _many(100))
    engine.close()
    assert future.result(0).embeddings.shape == (100, 32)
    with pytest.raises(QueueFullError, match="closing"):
        engine.submit("toy", ["late"])


def test_models_beyond_the_budget_leave_and_come_back(toy: ToyModel, others: list[ToyModel], tmp_path: Path) -> None:
    for number, model in enumerate([toy, *others]):
        write_artifact(tmp_path / str(number), model.artifact)
    text = "the parcel has not arrived"
    with Engine() as engine:
        size = engine.load("any", toy.artifact).size_bytes
    with Engine(EngineSettings(model_limit_bytes=2 * size)) as engine:
        wanted = [engine.load(str(number), tmp_path / str(number)).embed([text]) for number in range(3)]
        assert sorted(engine.models.loaded()) == ["1", "2"]
        for number in (0, 1, 2, 0):
            np.testing.assert_allclose(engine.answer(str(number), [text]).embeddings, wanted[number], atol=SAME)
        engine.models.pin("0")
        engine.answer("0", [text])
        for number in (1, 2):
            engine.answer(str(number), [text])
        assert "0" in engine.models.loaded()
        statistics = engine.statistics()
    assert statistics.models == 3
    assert statistics.models_in_memory == 2
    assert statistics.model_bytes == 2 * size
    assert statistics.evictions >= 4


def test_loading_one_model_holds_up_no_other(
    toy: ToyModel, others: list[ToyModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_artifact(tmp_path / "slow", others[0].artifact)
    let_go = threading.Event()
    make = TailSession.__init__

    with Engine() as engine:
        engine.load("quick", toy.artifact)
        engine.models.register("slow", tmp_path / "slow")

        def slowly(self: TailSession, *arguments: Any) -> None:
            assert let_go.wait(10)
            make(self, *arguments)

        monkeypatch.setattr(TailSession, "__init__", slowly)
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(engine.answer, "slow", ["hello"])
            assert np.isfinite(engine.answer("quick", ["hello"]).embeddings).all()
            assert not loading.done()
            let_go.set()
            assert np.isfinite(loading.result(10).embeddings).all()


def test_cached_answers_are_the_same_and_stay_with_their_organisation(toy: ToyModel, others: list[ToyModel]) -> None:
    texts = _many(20)
    with Engine(EngineSettings(cache_limit_bytes=10_000_000)) as engine:
        engine.load("toy", toy.artifact)
        engine.load("other", others[0].artifact)
        wanted = engine.answer("toy", texts, organisation="a").embeddings
        tokens = engine.statistics().tokens
        np.testing.assert_array_equal(engine.answer("toy", texts, organisation="a").embeddings, wanted)
        assert engine.statistics().tokens == tokens, "everything came from the cache"
        assert engine.statistics().cache_hits >= len(texts)
        np.testing.assert_allclose(engine.answer("toy", texts, organisation="b").embeddings, wanted, atol=SAME)
        assert engine.statistics().tokens == 2 * tokens, "another organisation does not profit"
        other = engine.answer("other", [*texts, "a new one"], organisation="a").embeddings
        np.testing.assert_allclose(other, engine.models.get("other").embed([*texts, "a new one"]), atol=SAME)


@pytest.mark.parametrize("given", [{"truncate": "END"}, {"speed": "fats"}])
def test_what_cannot_be_meant_is_refused(toy: ToyModel, given: dict[str, Any]) -> None:
    with Engine() as engine:
        engine.load("toy", toy.artifact)
        with pytest.raises(InputError, match=r"expected one of end, start, none and one of full, fast"):
            engine.answer("toy", ["a"], **given)


def test_an_event_loop_that_is_gone_keeps_nobody_from_an_answer(toy: ToyModel, held: _Held) -> None:
    async def leave(engine: Engine) -> None:
        task = asyncio.create_task(engine.answer_async("toy", ["who will never know"]))
        while not held.calls:
            await asyncio.sleep(0.001)
        task.cancel()

    with Engine(EngineSettings(workers=1)) as engine:
        engine.load("toy", toy.artifact)
        asyncio.run(leave(engine))
        held.let_go.set()
        for _ in range(2):
            answers = asyncio.run(engine.answer_async("toy", ["another text"]))
            assert np.isfinite(answers.embeddings).all()
