"""Differentiable Markov channel pruning: the chain, the network that it is trained in, and the method."""
