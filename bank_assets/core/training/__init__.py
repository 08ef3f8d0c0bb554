"""From a training set to a fitted model: recipes, time-ordered folds, tuning, export to ONNX."""
