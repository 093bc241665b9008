"""A stranger's names are plain text in Markdown, whatever they imitate."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mlrepo.layout.documents import calibration, code_readme, result_readme
from mlrepo.markdown import code, plain
from mlrepo.record import BackendFacts, DatasetFacts, HostFacts, LoadgenFacts, ModelFacts
from tests.samples import sample_record

_HOSTILE = (
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![](http://x/p.png)",
    "a|b",
    "`rm -rf`",
    "```\n# title",
    "@everyone",
    "\u202egnp",
    "\x1b[31m",
    "a\n\n# b",
    "**bold**",
)


@pytest.mark.parametrize("text", _HOSTILE, ids=ascii)
def test_markup_of_others_is_text(text: str) -> None:
    """No line of its own, no link, no HTML, no mention, no second cell."""
    for safe in (plain(text), code(text)):
        assert len(safe.splitlines()) == 1
        assert not re.search(r"[\x00-\x1f\u202a-\u202e\u2066-\u2069]", safe)
        assert not re.search(r"(?<!\\)\|", safe)
    assert not re.search(r"(?<!\\)[<`\[*#]", plain(text))
    assert "@e" not in plain(text)
    assert code(text).count("`") == 2


@pytest.mark.parametrize("text", _HOSTILE, ids=ascii)
def test_the_documents_of_a_submission_hold_no_markup_of_others(text: str) -> None:
    """Whatever field of a record it stands in."""
    record = sample_record(
        sut=text,
        benchmark=text,
        scenario=text,
        validity=text,
        tool=text,
        platform=text,
        argv=("mlrepo", text),
        model=ModelFacts(
            file=text,
            sha256=text,
            weight_data_types=text,
            weight_transformations=text,
            starting_weights_filename=text,
        ),
        dataset=DatasetFacts(name=text, samples=text, fingerprint=text),
        backend=BackendFacts(name=text, framework=text, prefix=(text,)),
        host=HostFacts(other_software_stack=text, operating_system=text),
        loadgen=LoadgenFacts(version=text),
    )
    harmless = replace(record, sut="x", benchmark="x", validity="x")
    documents = (result_readme([record], text), code_readme([record]), calibration([record], {})[0])
    same = (
        result_readme([harmless], text),
        code_readme([harmless]),
        calibration([harmless], {})[0],
    )
    for document, other in zip(documents, same, strict=True):
        lines = document.decode().splitlines()
        assert len(lines) == len(other.decode().splitlines())
        assert "\x1b" not in document.decode()
        assert "\u202e" not in document.decode()
        fenced = False
        for line in lines:
            fenced ^= line == "```"
            outside = re.sub(r"`[^`]*`", "", "" if fenced else line)
            assert not re.search(r"(?<!\\)(<script|\]\(|!\[|@e|\*\*)", outside), line
