"""Reasons of a decision, from the recorded inputs and model version. Takes about 10 ms: call it in a thread."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from bank_assets.core.model.explanations import Explainer
from bank_assets.core.model.reasons import reasons_of
from bank_assets.ledger.records import Decision, Draft
from serving.decisions.replaying import LOADED_VERSIONS, Replayer, features_on_record
from serving.decisions.schemas import ReasonGiven, Reasons
from serving.web.remembered import Remembered

RECALIBRATION: Final = "recalibration"
RECALIBRATION_LABEL: Final = "How well recent predictions matched their outcomes"


@dataclass(frozen=True, slots=True)
class Explaining:
    """Explains decisions, recorded or about to be."""

    replayer: Replayer
    _explainers: Remembered[Explainer] = field(default_factory=lambda: Remembered(LOADED_VERSIONS))

    def reasons_of(self, decision: Draft | Decision) -> Reasons:
        """Signed reasons that add up to the recorded probability.

        Raises:
            ExplainError: the bundle cannot explain.
            NotFoundError: the payload was erased.
            BundleError: the recorded version is not intact.
        """
        champion = self.replayer.version_of(decision)
        state = decision.as_of_features if isinstance(decision, Decision) else json.loads(decision.as_of_features)
        payload = json.loads(decision.payload) if isinstance(decision.payload, str) else decision.payload
        features, as_of = features_on_record(payload, decision.contact_date, state, champion.contract)
        explainer = self._explainers.get(champion.digest, lambda: Explainer(champion.scorer))
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
