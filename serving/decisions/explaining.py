"""Reasons of a decision, from the recorded inputs and the recorded model version.

What lives here: one explainer per loaded version, and the words. What must not: HTTP, the method
(`core.model.explanations`). Called by `POST /predictions?reasons=true`, the predict page and the audit page. Takes some
10 ms: call it in a thread.
"""

from __future__ import annotations

import json
import threading
from typing import Final

from bank_assets.core.model.explanations import Explainer
from bank_assets.core.model.reasons import reasons_of
from bank_assets.ledger.decisions import Decision, Draft
from serving.champion.champion import Champion
from serving.decisions.replaying import Replayer, features_on_record
from serving.decisions.schemas import ReasonGiven, Reasons

RECALIBRATION: Final = "recalibration"
RECALIBRATION_LABEL: Final = "How well recent predictions matched their outcomes"


class Explaining:
    """Explains decisions, recorded or about to be."""

    def __init__(self, replayer: Replayer) -> None:
        """Prepare.

        Args:
            replayer: finds the model version of a record.
        """
        self._replayer = replayer
        self._explainers: dict[str, Explainer] = {}
        self._lock = threading.Lock()

    def reasons_of(self, decision: Draft | Decision) -> Reasons:
        """Signed reasons that add up to the recorded probability.

        Args:
            decision: a decision with its payload.

        Returns:
            Reasons, the weightiest first; a recalibration since the training is one of its own.

        Raises:
            ExplainError: the bundle cannot explain.
            NotFoundError: the payload was erased.
            BundleError: the recorded version is not intact.
        """
        champion = self._replayer.version_of(decision)
        state = decision.as_of_features if isinstance(decision, Decision) else json.loads(decision.as_of_features)
        payload = json.loads(decision.payload) if isinstance(decision.payload, str) else decision.payload
        features, as_of = features_on_record(payload, decision.contact_date, state, champion.contract)
        explainer = self._explainer(champion)
        explanation = explainer.explain(features)
        values = {name: column[0] for name, column in features.items()}
        given = [
            ReasonGiven(r.group, r.label, r.probability_contribution, r.log_odds_contribution, r.sentence)
            for r in reasons_of(explanation, 0, values, champion.contract)
        ]
        rest = decision.probability - float(explanation.probability[0])
        if rest:
            verb = "raises" if rest > 0 else "lowers"
            given.append(
                ReasonGiven(
                    RECALIBRATION,
                    RECALIBRATION_LABEL,
                    rest,
                    as_of.log_odds_shift,
                    f"{RECALIBRATION_LABEL} {verb} the probability by {abs(rest) * 100:.1f} points.",
                )
            )
            given.sort(key=lambda reason: -abs(reason.probability_contribution))
        return Reasons(explanation.base_probability, explanation.base_log_odds, given)

    def _explainer(self, champion: Champion) -> Explainer:
        with self._lock:
            if champion.digest not in self._explainers:
                while len(self._explainers) >= 4:
                    self._explainers.pop(next(iter(self._explainers)))
                self._explainers[champion.digest] = Explainer(champion.scorer)
            return self._explainers[champion.digest]
