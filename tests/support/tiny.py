"""A benchmark of real stages that is over in seconds."""

TINY = """\
name: tiny
models: [residual_fcn]
datasets: [{name: digits, size: 32}]
controls: []
training: {iterations: 4, batch_size: 4}
recovery: {iterations: 2, batch_size: 4}
calibration: {samples: 4, batch_size: 4}
evaluation: {samples: 8, batch_size: 8}
measurement: {rounds: 5, warmup_seconds: 0.2}
"""
