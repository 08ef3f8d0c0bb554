"""The bundle as an MLflow model (models-from-code), for `mlflow models serve`, `spark_udf` and other tools.

MLflow executes this file when it loads the model; nothing is pickled.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel

from bank_assets.core.model.scorer import Scorer


class BundleModel(PythonModel):
    """Scores a frame of features with the one scorer."""

    def load_context(self, context: Any) -> None:
        """Load the bundle that was logged beside this file."""
        self.scorer = Scorer.load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Probability and its range for each row; the frame has one column per feature of the signature."""
        del context, params
        scores = self.scorer.score({name: model_input[name].to_numpy() for name in self.scorer.feature_names})
        return pd.DataFrame(
            {"probability": scores.probability, "probability_low": scores.low, "probability_high": scores.high},
            index=model_input.index,
        )


mlflow.models.set_model(BundleModel())
