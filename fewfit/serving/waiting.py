"""The texts that wait, handed out as batches of like length."""

from collections import deque
from collections.abc import Iterable, Iterator

from fewfit.serving.requests import Item

# A batch stops growing where more of it than this would be padding: fewer, fuller batches are not worth it.
MOST_PADDING = 0.05


class WaitingTexts:
    """A first-come queue of texts for any model. Not safe for threads by itself: the engine holds its lock.

    The text that has waited longest is always in the next batch, with others for the same trunk that are
    about as long.
    """

    def __init__(self) -> None:
        self._order: deque[Item] = deque()
        self._by_length: dict[object, dict[int, deque[Item]]] = {}
        self.n_texts = 0
        self.n_tokens = 0

    def add(self, items: Iterable[Item]) -> None:
        """Puts texts at the end."""
        for item in items:
            self._order.append(item)
            lengths = self._by_length.setdefault(item.request.model.trunk, {})
            lengths.setdefault(item.length, deque()).append(item)
            self.n_texts += 1
            self.n_tokens += item.length

    def take(self, max_tokens: int) -> list[Item]:
        """The next batch: padded to its longest text it has at most `max_tokens` tokens, or one text.

        Texts whose callers have given up are dropped on the way; the batch is empty when only such
        texts waited.
        """
        first = self._oldest()
        if first is None:
            return []
        batch = [first]
        self._remove(first)
        longest, total = first.length, first.length
        for item in self._alike(first):
            grown = max(longest, item.length)
            padded = grown * (len(batch) + 1)
            if padded > max_tokens or padded - total - item.length > MOST_PADDING * padded:
                break
            self._remove(item)
            batch.append(item)
            longest, total = grown, total + item.length
        return batch

    def _oldest(self) -> Item | None:
        while self._order:
            item = self._order.popleft()
            if item.taken:
                continue
            if not item.request.cancelled:
                return item
            self._remove(item)
            self._forget_taken(item)
        return None

    def _alike(self, first: Item) -> Iterator[Item]:
        """The other texts for the same trunk, nearest in length first."""
        lengths = self._by_length.get(first.request.model.trunk, {})
        for length in sorted(lengths, key=lambda length: (abs(length - first.length), length)):
            waiting = lengths.get(length)
            while waiting:
                item = waiting[0]
                if item.taken:
                    waiting.popleft()
                elif item.request.cancelled:
                    self._remove(item)
                else:
                    yield item
            lengths.pop(length, None)
        if not lengths:
            self._by_length.pop(first.request.model.trunk, None)

    def _forget_taken(self, item: Item) -> None:
        lengths = self._by_length[item.request.model.trunk]
        waiting = lengths[item.length]
        while waiting and waiting[0].taken:
            waiting.popleft()
        if not waiting:
            del lengths[item.length]
            if not lengths:
                del self._by_length[item.request.model.trunk]

    def _remove(self, item: Item) -> None:
        item.taken = True
        self.n_texts -= 1
        self.n_tokens -= item.length
