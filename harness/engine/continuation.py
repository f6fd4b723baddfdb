"""How an interrupted training goes on: mmengine's checkpoint, and the state of torch's generators, which it leaves out.

A training that goes on draws the batches it has had again, so generators of the data pipeline are where they were;
torch's own, which dropout uses, are put back behind that. See `docs/design/execution.md`.

mmengine would unpickle its checkpoint without restrictions; under the prefix `bench:` it asks our own loader.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from harness.engine.checkpoint import load_checkpoint, state_dict_of
from harness.engine.weights import require_fitting
from harness.errors import BenchError, UserError
from harness.store.atomic import write_text
from harness.store.checksum import sha256_of

_CHECKPOINTS_A_TRAINING = 10
_KEPT = 2  # mmengine removes the older one before it writes the next
_KEY = "bench"
_CONTENT = ("state_dict", "meta", "message_hub", "optimizer", _KEY)
_SCHEME = "bench:"


class ContinuationHook(Hook):
    """Stores and restores what mmengine's checkpoint does not hold.

    Attributes:
        losses: Losses that were reported so far; part of the training's outcome.
        continued_from: Iterations that an earlier process had done.
        earlier_seconds: Wall time that these took.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.continued_from = 0
        self.earlier_seconds = 0.0
        self._began = time.perf_counter()
        self._waiting: dict[str, Any] | None = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Adds torch's random states and the reported losses."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
        seconds = self.earlier_seconds + time.perf_counter() - self._began
        checkpoint[_KEY] = {
            "cpu": torch.get_rng_state(),
            "cuda": cuda,
            "losses": list(self.losses),
            "seconds": seconds,
        }

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keeps them until the data loader has caught up."""
        self._waiting = checkpoint[_KEY]
        self.losses = list(checkpoint[_KEY]["losses"])
        self.continued_from = int(checkpoint["meta"]["iter"])
        self.earlier_seconds = float(checkpoint[_KEY]["seconds"])

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Puts the random states back in front of the first step that is new."""
        if self._waiting is None:
            return
        torch.set_rng_state(self._waiting["cpu"].cpu())
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            for index, state in enumerate(self._waiting["cuda"][: torch.cuda.device_count()]):
                torch.cuda.set_rng_state(state.cpu(), index)
        self._waiting = None


def checkpoint_interval(iterations: int, accumulate: int = 1) -> int:
    """Returns how many iterations lie between two checkpoints: a tenth of the training.

    Args:
        iterations: Of the whole training.
        accumulate: Iterations of one optimiser step; gradients are in no checkpoint, so it has to lie between steps.
    """
    tenth = max(1, iterations // _CHECKPOINTS_A_TRAINING)
    return -(-tenth // accumulate) * accumulate


def checkpoint_hook(interval: int) -> dict[str, Any]:
    """Returns the config of mmengine's hook.

    Args:
        interval: Iterations between two checkpoints.
    """
    return {
        "type": "CheckpointHook",
        "by_epoch": False,
        "interval": interval,
        "max_keep_ckpts": _KEPT,
        "save_last": False,
    }


class DigestHook(Hook):
    """Writes the digest of every checkpoint beside it, as soon as mmengine has written it.

    Args:
        interval: Iterations between two checkpoints.
    """

    priority = "LOWEST"  # behind mmengine's own hook

    def __init__(self, interval: int) -> None:
        self._interval = interval

    @master_only  # type: ignore[untyped-decorator]
    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Looks for the new checkpoint after each interval."""
        if not self.every_n_train_iters(runner, self._interval):
            return
        path = Path(runner.work_dir) / f"iter_{runner.iter + 1}.pth"
        write_text(_digest(path), sha256_of(path))
        _drop_digests_alone(path.parent)


def usable_checkpoint(folder: Path, model: nn.Module) -> str | None:
    """Returns what mmengine is to continue from: the newest checkpoint in its working folder that is one of `model`.

    One that is refused, damaged or of something else is renamed: it neither stops the training nor is tried again.
    """
    for path in sorted(folder.glob("iter_*.pth"), key=_iterations, reverse=True):
        try:
            _require_whole(path)
            _require_ours(load_checkpoint(path), path, model)
        except BenchError as error:
            aside = path.rename(path.with_name(f"{path.name}.refused"))
            _digest(path).unlink(missing_ok=True)
            text = "the training does not continue from %s, now %s: %s"
            logging.getLogger("harness.stage").warning(text, path.name, aside.name, error.message)
        else:
            return f"{_SCHEME}{path}"
    return None


def remove_checkpoints(folder: Path) -> None:
    """Removes what a finished training does not need any more; its weights are in the artifact."""
    for path in (*folder.glob("iter_*.pth"), *folder.glob("iter_*.pth.sha256"), folder / "last_checkpoint"):
        path.unlink(missing_ok=True)


def _drop_digests_alone(folder: Path) -> None:
    """Mmengine removes old checkpoints and knows nothing of what lies beside them."""
    for digest in folder.glob("iter_*.pth.sha256"):
        if not digest.with_suffix("").exists():
            digest.unlink()


def _digest(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _require_whole(path: Path) -> None:
    """Torch does not look whether the bytes of a tensor are those that were written."""
    try:
        written = _digest(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        message = f"checkpoint {path}: has no digest beside it: it was cut off while it was written"
        raise UserError(message) from error
    if sha256_of(path) != written:
        message = f"checkpoint {path}: was changed after it was written: its digest does not fit"
        raise UserError(message)


def _iterations(path: Path) -> int:
    number = path.stem.partition("_")[2]
    return int(number) if number.isdecimal() else -1


def _require_ours(checkpoint: Mapping[str, Any], path: Path, model: nn.Module) -> None:
    lacking = [key for key in _CONTENT if not isinstance(checkpoint.get(key), dict)]
    if lacking:
        message = f"checkpoint {path}: is none of a training of ours: it has no {lacking[0]}"
        raise UserError(message)
    require_fitting(model, state_dict_of(checkpoint, str(path)), f"checkpoint {path}")


@CheckpointLoader.register_scheme(prefixes=_SCHEME)  # type: ignore[untyped-decorator]
def load_from_bench(name: str, map_location: Any = None) -> dict[str, Any]:
    """Loads what mmengine is told to continue from; everything stays on the CPU until it is copied to its place."""
    del map_location
    return load_checkpoint(Path(name.removeprefix(_SCHEME)))
