"""Read published results in several processes, some of them before the recorder asks for them."""

from __future__ import annotations

import copy
import dataclasses
import gc
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlrepo.checker.report import Result
from mlrepo.lifetime import worker_pool

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mlrepo.exchange.imported import Importer
    from mlrepo.exchange.imported_run import ReadResult

# Starting a pool of workers takes as long as reading some results.
_WORTH_SHARING = 24
# What is read ahead, if it is as large as the results so far: readers go on while git writes, and
# what waits in memory is limited.
_MOST_AHEAD = 64
_BYTES_AHEAD = 12 << 20
_worker: list[Importer] = []


def read_results(
    importer: Importer, results: Sequence[Result], workers: int
) -> Iterator[ReadResult]:
    """Yield what an importer reads of the results, in order."""
    if workers == 1 or len(results) < _WORTH_SHARING:
        yield from map(importer.read_result, results)
        return
    with worker_pool(workers, _begin, (importer,)) as pool:
        ahead: deque[Future[ReadResult]] = deque()
        most = workers + 1
        number = size = 0
        try:
            for result in results:
                ahead.append(pool.submit(_work, result))
                while len(ahead) > most:
                    read = ahead.popleft().result()
                    number, size = number + 1, size + read.size
                    most = max(workers + 1, min(_MOST_AHEAD, _BYTES_AHEAD * number // (size + 1)))
                    yield read
            while ahead:
                yield ahead.popleft().result()
        finally:
            for each in ahead:
                each.cancel()


def _begin(importer: Importer) -> None:
    # A copy of a Git tree starts its own git process: two readers must not share one pipe.
    _worker[:] = [dataclasses.replace(importer, tree=copy.copy(importer.tree))]
    # A worker lives for one import only: collecting its reference cycles is not worthwhile.
    gc.disable()


def _work(result: Result) -> ReadResult:
    return _worker[0].read_result(result)
