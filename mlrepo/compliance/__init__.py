"""The compliance tests of MLPerf Inference, one module for each.

``testNN.py`` has all that mlrepo knows about TESTNN, as :class:`ComplianceTest` objects in its
tuple ``TESTS``; adding such a file adds a test. A round's data says which benchmarks need it.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Iterator

from mlrepo.compliance.protocol import ComplianceTest, UnknownTest

__all__ = ["NAME", "ComplianceTest", "UnknownTest", "compliance_test", "in_order", "known_tests"]

NAME = r"TEST[0-9]{2}(?:-[AB])?"
"""The pattern of test names."""
_FAMILY = re.compile(r"test[0-9]{2}")


def compliance_test(name: str) -> ComplianceTest:
    """Return the test of a name; an ``UnknownTest`` if mlrepo does not have it."""
    family = name.partition("-")[0].lower()
    tests = _tests_in(family) if _FAMILY.fullmatch(family) else ()
    return next((test for test in tests if test.name == name), UnknownTest(name))


def known_tests() -> Iterator[ComplianceTest]:
    """Yield all tests, sorted by name."""
    import pkgutil  # not needed by a hook that asks for one test

    for family in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if _FAMILY.fullmatch(family):
            yield from _tests_in(family)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return tests sorted by name, but each after the test that it is compared with."""
    wanted, ordered = set(names), dict[str, None]()

    def add(name: str) -> None:
        before = compliance_test(name).compared_with
        if before in wanted - ordered.keys():
            add(str(before))
        ordered.setdefault(name)

    for name in sorted(wanted):
        add(name)
    return tuple(ordered)


def _tests_in(family: str) -> tuple[ComplianceTest, ...]:
    name = f"{__name__}.{family}"
    try:
        # A check calls this about thirty times per result.
        module = sys.modules.get(name) or importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return ()
    tests: tuple[ComplianceTest, ...] = module.TESTS
    return tests
