"""Methods of the tiny task: one that prunes and one that trains, each right or wrong as its options say."""

import os
import random
import time

import torch
from mmengine.hooks import Hook
from torch import nn

from harness.engine.first_batch import open_loader
from harness.errors import TraceError, UserError
from harness.registry import Check, Compression, Compressor, LoaderRequest, Recovery, State, TrainingRecipe, Transform
from harness.registry.method import TransformStep

UNPREPARED = {"scores": torch.arange(10.0)}


class Cut(Transform):
    def apply(self, model, payload):
        with torch.random.fork_rng():  # constructors draw
            return self._cut(model, payload["kept"])

    def _cut(self, model, kept):
        for name, layer, weight in (
            ("hidden", nn.Conv2d(3, len(kept), 3, padding=1), model.hidden.weight[kept]),
            ("head", nn.Conv2d(len(kept), 3, 3, padding=1), model.head.weight[:, kept]),
        ):
            bias = model.hidden.bias[kept] if name == "hidden" else model.head.bias
            layer.weight, layer.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
            setattr(model, name, layer.train(model.training))
        return model


class Plain(Compressor):
    """Removes the hidden channels with the smallest weights."""

    wrong = ""

    def prepare(self, model, context):
        if model.wrong == "untraceable":
            message = "by design"
            raise TraceError(message)
        next(context.calibration_batches(2))
        if self.wrong == "hangs":
            time.sleep(60)
        if self.wrong == "slow":
            time.sleep(0.2)
        if self.wrong == "global":
            os.environ["SKETCH"] = "left"
        if self.wrong == "global random":
            torch.rand(1)
        if self.wrong == "past the context":
            context._bench.dataset.loader(LoaderRequest(split="test", batch_size=1))
        scores = model.hidden.weight.detach().flatten(1)
        if self.wrong != "alias":
            scores = scores.abs().sum(1)
        if self.wrong == "own random":
            scores = torch.tensor([random.SystemRandom().random() for _ in scores])
        self.scores = scores
        return State(tensors={} if self.wrong == "hidden state" else {"scores": scores})

    def compress(self, model, setting, state, context):
        if self.wrong == "accepts all" and not (isinstance(setting, float) and 0 <= setting < 1):
            setting = 0.0
        if not isinstance(setting, float) or not 0 <= setting < 1:
            raise ValueError("untyped") if self.wrong == "untyped" else UserError(f"{setting!r} is no ratio")
        scores = self.scores if self.wrong == "hidden state" else state.tensors["scores"]
        order = scores.reshape(len(scores), -1).abs().sum(1).argsort(descending=True)
        ratio = {"falls": 0.8 - setting if setting else 0.0, "constant": 0.5 if setting else 0.0}.get(
            self.wrong, setting + 0.1 if setting and self.wrong == "misses" else setting
        )
        kept = sorted(order[: round(len(scores) * (1 - ratio))].tolist())
        if self.wrong == "state":
            state.tensors["scores"].add_(1)
        if self.wrong == "zero" and setting == 0:
            model.hidden.weight.data *= 1.5
        model = Cut().apply(model, {"kept": kept})
        if self.wrong == "attribute" and setting:
            model.scale = 2.0
        achieved = {} if self.wrong == "silent" else {"channels": 1 - len(kept) / len(scores)}
        if self.wrong == "claims":
            achieved["params"] = achieved["channels"] / 2
        if self.wrong == "percent" and setting:
            achieved["latency"] = 50.0
        verdict = "fail" if self.wrong == "check" else "pass"
        explained = {"target": {"reason": "by design"}} if self.wrong in ("falls", "constant") else {}
        return Compression(
            model=model,
            transforms=[TransformStep(kind="cut", version=2 if self.wrong == "version" else 1, payload={"kept": kept})],
            achieved=achieved,
            checks=[Check(name="own", verdict=verdict, detail="by design")],
            details={**explained, "odd": object() if self.wrong == "details" else 1},
        )


class Shorten(Plain):
    @property
    def wrong(self):
        return self.options.wrong


class Unprepared(Plain):
    def compress(self, model, setting, state, context):
        return super().compress(model, setting, State(tensors=UNPREPARED), context)


class Round(Compressor):
    """Rounds the weights of the head, which stores them as they are."""

    def compress(self, model, setting, state, context):
        if setting != "int8":
            message = f"{setting!r} is not int8"
            raise UserError(message)
        model.head.weight.data = (model.head.weight.data * 128).round() / 128
        return Compression(model=model, transforms=[])


class _Wrong(Hook):
    def __init__(self, wrong):
        self.wrong = wrong

    def before_train(self, runner):
        self.before = {name: value.clone() for name, value in runner.model.state_dict().items()}
        if self.wrong == "adds":
            runner.model.extra = nn.Parameter(torch.zeros(1))
        if self.wrong == "global":
            os.environ["SKETCH"] = "left"

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.wrong == "slow":
            time.sleep(0.1)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        with torch.no_grad():
            for parameter in runner.model.parameters():
                if self.wrong == "repairs":
                    parameter.nan_to_num_(0.0, 0.0, 0.0)
                if self.wrong == "own random":
                    parameter.add_(1e-3 * random.SystemRandom().random())
        if self.wrong == "repairs":
            outputs["loss"] = outputs["loss"].nan_to_num(0.0, 0.0, 0.0)

    def after_train(self, runner):
        if self.wrong == "undoes":
            runner.model.load_state_dict(self.before)


class Polish(Recovery):
    def recipe(self, model, context):
        if self.options.wrong == "test split":
            open_loader(context._bench, LoaderRequest(split="test", batch_size=1))
        if self.options.wrong == "trains more":
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            for batch in context.calibration_batches():
                context.loss(model, batch).backward()
                optimizer.step()
            model.zero_grad()
        return TrainingRecipe(hooks=[_Wrong(self.options.wrong)])
