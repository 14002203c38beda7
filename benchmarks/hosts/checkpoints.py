"""Where hosts save: a folder a case, the same for all ranks, gone after the training."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import torch.distributed as dist

from benchmarks.hosts.job import Job, Trained


def folder_of(job: Job) -> Path:
    """One for all ranks of a case, empty unless a training is continued."""
    name = hashlib.sha256(repr(job.case).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / "metaopt-hosts" / name
    if job.state is None and job.rank == 0:
        shutil.rmtree(folder, ignore_errors=True)
    if job.world > 1:
        dist.barrier()
    return folder


def ended(job: Job, result: Trained, folder: Path) -> Trained:
    """The result, once every rank has read what it needs; the folder is removed."""
    if job.world > 1:
        dist.barrier()
    if job.rank == 0:
        shutil.rmtree(folder, ignore_errors=True)
    return result
