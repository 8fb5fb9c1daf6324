import numpy as np
import pytest
import torch

from fewfit.training.activations import JoinedActivations

WIDTH = 4


class Numbered:
    """Activations of which each value says whose it is: `first` and one more for each row."""

    def __init__(self, first: float, lengths: list[int]) -> None:
        self.lengths = np.array(lengths)
        self._first = first

    def batch(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = torch.from_numpy(self.lengths[rows])
        mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
        values = torch.from_numpy(self._first + rows).float()
        return (values[:, None] * mask)[:, :, None].expand(-1, -1, WIDTH), mask


@pytest.mark.parametrize("rows", [[4, 0, 3, 1], [0, 2], [3, 4], [4]])
def test_rows_of_both_come_in_the_order_asked_for(rows: list[int]) -> None:
    joined = JoinedActivations(Numbered(100, [2, 5, 1]), Numbered(200, [3, 7]))
    whose = np.array([100, 101, 102, 200, 201])
    assert joined.lengths.tolist() == [2, 5, 1, 3, 7]
    hidden, mask = joined.batch(np.array(rows))
    lengths = joined.lengths[rows]
    assert hidden.shape == (len(rows), lengths.max(), WIDTH)
    assert mask.sum(dim=1).tolist() == lengths.tolist()
    assert torch.equal(hidden[:, 0, 0], torch.from_numpy(whose[rows]).float())
    assert torch.equal(hidden, hidden[:, :1] * mask[:, :, None])
