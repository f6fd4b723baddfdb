"""From a benchmark to cells and a graph of stages; the identity of a stage."""
