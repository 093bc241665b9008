"""Jobs: runs on other machines, and the queue of this one.

:mod:`~mlrepo.jobs.submit` hands cells to an engine, :mod:`~mlrepo.jobs.node` is what a job does
where it lands, :mod:`~mlrepo.jobs.journal` remembers what was handed over, and
:mod:`~mlrepo.jobs.state` says from Git, the engine and the journal what became of it.
"""
