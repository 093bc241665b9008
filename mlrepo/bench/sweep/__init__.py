"""Sweeps: the same benchmark over axes of options, each run a commit.

:mod:`.axes` reads the values of the axes, :mod:`.cells` combines them, :mod:`.plan` says what of it
is recorded and how long the rest takes, :mod:`.run` runs it, and :mod:`.adaptive` places further
points. A cell can run anywhere: see :func:`mlrepo.bench.sweep.cells.cell_request`.
"""
