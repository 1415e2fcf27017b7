"""What a process that screens needs, and how many of them a run has."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from osteolens.inference.fastest import with_devices
from osteolens.processes import available_cores
from pipeline.bundle.load import Bundle
from pipeline.prediction import ModelIdentifiers
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.manual_rois import ManualRois
from pipeline.screening.screener import identifiers

STUDIES_A_PROCESS = 16
"""Studies that pay for the start of one more process, which takes as long as some ten studies."""

BYTES_A_PROCESS = 2 * 2**30
"""Memory of the machine that stands behind one process; it holds the models, two studies and the process that reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a process that screens needs.

    Attributes:
        bundle: checked weights.
        config: settings.
        manual_rois: boxes to classify on in place of the detector's.
        root: folder that paths of images are told from.
        out: folder of results.
    """

    bundle: Bundle
    config: ScreeningConfig
    manual_rois: ManualRois | None
    root: Path | None
    out: Path

    @property
    def identifiers(self) -> ModelIdentifiers:
        """Sources of the results."""
        return identifiers(self.bundle, self.config, self.manual_rois)

    def on_devices(self) -> WorkerSettings:
        """The same with a device for each network in place of `auto`.

        Raises:
            ConfigError: no device computes in the precision that is asked for.
        """
        inference = with_devices(self.config.inference, self.bundle.networks)
        return replace(self, config=self.config.model_copy(update={"inference": inference}))

    def of_one(self, processes: int, threads: int = 0) -> WorkerSettings:
        """The settings of one of several processes, which share the cores.

        Args:
            processes: that screen.
            threads: of each, where the settings name none; 0 shares the cores of this machine.
        """
        threads = self.config.threads or threads
        if processes > 1 and not threads:
            threads = max(1, available_cores() // processes)
        return replace(self, config=self.config.model_copy(update={"threads": threads}))


def number_of_processes(config: ScreeningConfig, studies: int) -> int:
    """Processes of a run: as many as the settings say, or as cores, studies and memory pay for.

    Args:
        config: settings.
        studies: to screen.
    """
    if config.jobs:
        return max(1, min(config.jobs, studies))
    return max(1, min(available_cores(), studies // STUDIES_A_PROCESS, _memory_bytes() // BYTES_A_PROCESS))


def _memory_bytes() -> int:
    """Memory of the machine; where the system does not say, enough for two processes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 2 * BYTES_A_PROCESS
