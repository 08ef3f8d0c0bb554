"""How good a model is: metrics with intervals, comparisons, fairness, realised performance."""
