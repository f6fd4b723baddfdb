"""Protocol `seed`: scores and choice of channels as the first VSS pruning benchmark had them.

Scores need no data: what looks at maps or gradients sees one image of noise. Each convolution has its own, and one
threshold over the raw scores of all of them decides what goes, whatever their scales are (`threshold.py`). What
differs from the benchmark:

* It removed coupled layers one after the other, with indices of channels that the first of them had taken already, so
  that the networks were not those that its scores asked for. Here the first scored convolution of a coupled group, in
  the order of the modules, decides for the group, which is cut once. The threshold is taken over the scores of all
  convolutions in both.
* It ran batch normalisation in training mode on noise, and one update of the running statistics stayed in the model.
  Here nothing stays.
* It repeated the image 64 times, or ran it alone; here there are two copies, see `noise.py`.
"""
