"""How busy this machine is: load averages and CPU time counters."""

from __future__ import annotations

import os

from mlrepo.systems.machine import Machine


def load_now() -> dict[str, object]:
    """Return load averages and CPU time counters (clock ticks: busy and total since boot)."""
    fields = [int(x) for x in Machine().text("proc/stat").partition("\n")[0].split()[1:9]]
    # user, nice, system, idle, iowait, irq, softirq, steal
    idle = sum(fields[3:5]) if len(fields) >= 5 else 0
    return {
        "loadavg": [round(x, 2) for x in os.getloadavg()],
        "busy_ticks": sum(fields) - idle,
        "total_ticks": sum(fields),
        "steal_ticks": fields[7] if len(fields) >= 8 else 0,
    }
