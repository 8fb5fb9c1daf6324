import numpy as np
import pytest

from benchmarks.rejection import SCORES, summary
from fewfit.training import Targets


@pytest.mark.parametrize("name", SCORES)
def test_every_score_is_higher_for_texts_like_those_trained_on(name: str) -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(6)[:3]
    column = np.arange(60) % 3
    trained = centres[column] + 0.1 * rng.normal(size=(60, 6))
    targets = Targets("single", ("a", "b", "c"), np.eye(3, dtype=bool)[column])
    inside = centres[np.arange(30) % 3] + 0.1 * rng.normal(size=(30, 6))
    outside = np.eye(6)[3] + 0.1 * rng.normal(size=(30, 6))
    score = SCORES[name]
    assert score(trained, targets, inside).mean() > score(trained, targets, outside).mean()


def test_the_summary_is_the_mean_over_tasks_and_samples() -> None:
    rows: list[dict[str, object]] = [
        {"score": name, "auroc": auroc, "detected": 0.5, "rejected": 0.04} for name in SCORES for auroc in (0.7, 0.9)
    ]
    assert "| confidence | 0.800 | 50.0 % | 4.0 % |" in summary(rows)
