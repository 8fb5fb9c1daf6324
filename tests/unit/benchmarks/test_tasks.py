import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.harness.errors import UsageError
from benchmarks.harness.tasks import EvaluationData


def test_a_sample_has_the_rows_that_fewshot_names_in_that_order(data: EvaluationData) -> None:
    (trial,) = data.trials(["drinks"])
    rows = data.sample(trial, "n40", 1)
    assert [(row.text, row.labels) for row in rows] == [
        ("a cup of green tea", ("tea",)),
        ("a strong coffee", ("coffee",)),
    ]


def test_size_all_is_every_training_row(data: EvaluationData) -> None:
    (trial,) = data.trials(["drinks"])
    assert len(data.sample(trial, "all", 7)) == 8


def test_larger_samples_of_single_label_tasks_are_drawn_with_the_shares_of_the_labels(folder: Path) -> None:
    lines = [json.dumps({"text": f"{number}", "label": "tea" if number % 5 else "coffee"}) for number in range(1000)]
    (folder / "drinks" / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    data = EvaluationData(folder)
    (trial,) = data.trials(["drinks"])
    assert data.sizes(trial) == ["8", "16", "n40", "n100", "n250", "all"]  # not n1000: that is all
    rows = data.sample(trial, "n100", 12)
    assert Counter(row.labels for row in rows) == {("tea",): 80, ("coffee",): 20}
    assert data.sample(trial, "n250", 12)[:100] == rows == data.sample(trial, "n100", 12)
    assert set(data.sample(trial, "n100", 13)) != set(rows)


def test_rows_without_labels_stay_in(data: EvaluationData) -> None:
    (trial,) = data.trials(["topics"])
    assert () in [row.labels for row in data.sample(trial, "40", 0)]


def test_a_task_alone_means_english_where_it_has_english(data: EvaluationData) -> None:
    (trial,) = data.trials(["stars"])
    assert (trial.train, trial.test, trial.name) == (("en",), ("en",), "stars:en")


@pytest.mark.parametrize(
    ("name", "train", "test", "called"),
    [
        ("stars:de", ("de",), ("de",), "stars:de"),
        ("stars:en:all", ("en",), ("de", "en"), "stars:en:all"),
        ("stars:en->de", ("en",), ("de",), "stars:en:de"),
        ("stars:en+de:de", ("en", "de"), ("de",), "stars:en+de:de"),
        ("stars:all", ("de", "en"), ("de", "en"), "stars:all"),
    ],
)
def test_languages_to_train_and_test_on_can_be_named(
    data: EvaluationData, name: str, train: tuple[str, ...], test: tuple[str, ...], called: str
) -> None:
    (trial,) = data.trials([name])
    assert (trial.train, trial.test, trial.name) == (train, test, called)
    assert list(data.tests(trial)) == list(test)


def test_several_training_languages_give_their_samples_one_after_another(data: EvaluationData) -> None:
    (trial,) = data.trials(["stars:de+en:en"])
    assert [row.text for row in data.sample(trial, "8", 0)] == [
        "awful", "it is fine", "great", "bad taste", "so so", "very good",
    ]  # fmt: skip


def test_sizes_are_those_that_all_training_languages_have(data: EvaluationData) -> None:
    both, english = data.trials(["stars:de+en:en", "stars:en"])
    assert data.sizes(both) == ["8", "all"]
    assert data.sizes(english) == ["8", "16", "all"]


def test_groups_and_names_give_each_trial_once(data: EvaluationData) -> None:
    assert [trial.name for trial in data.trials(["english", "drinks", "ordinal"])] == ["drinks", "topics", "stars:en"]
    assert [trial.name for trial in data.trials(["multi"])] == ["topics"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("drink", "no task 'drink'.*drinks, topics, stars"),
        ("stars:fr", "stars has no language 'fr'; it has de, en"),
        ("stars:en:fr", "stars has no language 'fr'"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(data: EvaluationData, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        data.trials([name])


def test_a_sample_that_is_not_there_is_said_with_those_that_are(data: EvaluationData) -> None:
    (trial,) = data.trials(["drinks"])
    with pytest.raises(UsageError, match="no sample of size 64; sizes: 8, 16, n40"):
        data.sample(trial, "64", 0)
    with pytest.raises(UsageError, match="no sample with seed 5; seeds: 0, 1"):
        data.sample(trial, "8", 5)


def test_a_folder_without_tasks_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no tasks\.json in .*nowhere.*--data"):
        EvaluationData(tmp_path / "nowhere")


def test_a_missing_file_of_a_task_is_said(folder: Path) -> None:
    (folder / "drinks" / "test.jsonl").unlink()
    data = EvaluationData(folder)
    with pytest.raises(UsageError, match=r"no test\.jsonl"):
        data.tests(data.trials(["drinks"])[0])
