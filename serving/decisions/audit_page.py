"""`/audit`: search the record, open a decision, run it again, verify the chain."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect
from sqlalchemy import Engine

from bank_assets.contract.contract import Contract
from bank_assets.ledger import chain
from bank_assets.reports.formats import number
from serving.decisions import records
from serving.decisions.audit_view_models import (
    AuditPage,
    ChainPage,
    ChainView,
    RecordPage,
    ReplayView,
    SearchResults,
)
from serving.decisions.explaining import Explaining
from serving.decisions.form import labels_of
from serving.decisions.page import view_of
from serving.decisions.payloads import Payloads
from serving.decisions.record_schemas import DecisionRecord, Replay
from serving.decisions.replaying import Replayer
from serving.web.chrome import Page
from serving.web.problems import FieldError, PayloadError
from serving.web.templating import is_partial, moment, show, words
from serving.web.view_models import Table

PAGE_ROWS: Final = 50
Text = Annotated[str | None, QueryParameter(max_length=200)]
NUMBERS: Final = {"probability": "Probability", "probability_low": "Range, low", "probability_high": "Range, high"}


@get("/audit", name="page:audit", sync_to_thread=True)
def audit(
    request: Request[Any, Any, Any],
    ledger: NamedDependency[Engine],
    decision_id: Annotated[str | None, QueryParameter(name="id", max_length=64)] = None,
    contact_id: Text = None,
    actor: Text = None,
    decision: Text = None,
    model_version: Text = None,
    since: Text = None,
    until: Text = None,
    cursor: Text = None,
) -> Response[Any]:
    """Decisions that fit every criterion, newest first."""
    sent = {
        "id": decision_id,
        "contact_id": contact_id,
        "actor": actor,
        "decision": decision,
        "model_version": model_version,
        "since": since,
        "until": until,
    }
    form = {name: (text or "").strip() for name, text in sent.items()}
    if form["id"]:
        address = f"/audit/{records.decision_on_record(ledger, form['id']).id}"
        if is_partial(request):
            return Response("", headers={"HX-Redirect": address})
        return Redirect(address, status_code=303)
    if form["decision"] not in ("", "call", "do_not_call"):
        raise PayloadError(FieldError("decision", "call or do_not_call", repr(form["decision"][:40])))
    given = {name: text for name, text in form.items() if text}
    found = records.search(ledger, cursor=cursor or None, limit=PAGE_ROWS, **given)
    following = f"/audit?{urlencode({**given, 'cursor': found.next})}" if found.next else ""
    results = SearchResults(found.predictions, bool(given) or cursor is not None, following)
    return show(request, AuditPage("Audit", form, results), results)


@get("/audit/chain", name="page:audit:chain", sync_to_thread=True)
def verify(
    request: Request[Any, Any, Any], ledger: NamedDependency[Engine], anchor_seq: Text = None, anchor_hash: Text = None
) -> Response[Any]:
    """Recompute the whole chain, and compare it with an anchor if one is given."""
    seq, digest = (anchor_seq or "").strip(), (anchor_hash or "").strip().lower()
    anchor = None
    if seq or digest:
        if not seq.isdecimal() or len(seq) > 15:
            raise PayloadError(FieldError("anchor_seq", "the number kept with the hash", repr(seq[:40])))
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise PayloadError(FieldError("anchor_hash", "64 hexadecimal digits", repr(digest[:70])))
        anchor = chain.Anchor(int(seq), digest)
    found = records.verify(ledger, anchor)
    part = ChainView(found, anchor is not None)
    return show(request, ChainPage("Chain of decisions", part), part)


@get("/audit/{decision_id:str}", name="page:audit:record", sync_to_thread=True)
def record(
    request: Request[Any, Any, Any],
    decision_id: FromPath[str],
    ledger: NamedDependency[Engine],
    replayer: NamedDependency[Replayer],
    explaining: NamedDependency[Explaining],
    payloads: NamedDependency[Payloads],
) -> Response[Any]:
    """Everything on record about one decision."""
    return show(request, _record_page(request, decision_id, ledger, replayer, explaining, payloads.contract, None))


@post("/audit/{decision_id:str}/replay", name="page:audit:replay", status_code=200, sync_to_thread=True)
def replay(
    request: Request[Any, Any, Any],
    decision_id: FromPath[str],
    ledger: NamedDependency[Engine],
    replayer: NamedDependency[Replayer],
    explaining: NamedDependency[Explaining],
    payloads: NamedDependency[Payloads],
) -> Response[Any]:
    """Run a decision again and compare every digit."""
    part = _replay_view(replayer.replay(decision_id))
    if is_partial(request):
        return show(request, part, part)
    return show(request, _record_page(request, decision_id, ledger, replayer, explaining, payloads.contract, part))


def _replay_view(found: Replay) -> ReplayView:
    replayed = found.replayed or {}
    rows = [
        (NUMBERS.get(name, words(name)), repr(value), repr(replayed[name]) if name in replayed else "")
        for name, value in found.recorded.items()
    ]
    then, now = found.environment["then"], found.environment["now"]
    environment = Table(["Environment", "Then", "Now"], [[words(name), then[name], now[name]] for name in then])
    return ReplayView(found, rows, environment)


def _record_page(
    request: Request[Any, Any, Any],
    decision_id: str,
    ledger: Engine,
    replayer: Replayer,
    explaining: Explaining,
    contract: Contract,
    replayed: ReplayView | None,
) -> RecordPage:
    labels = labels_of(contract)
    found = records.full_record(ledger, decision_id, replayer.decision_document)
    decision = view_of(request, records.decision_on_record(ledger, decision_id), explaining, contract)
    erased = f"Erased {moment(found.erased_at)}: {found.erased_why}." if found.erased_at else ""
    inputs = [["Contact id", found.contact_id or "not named"]]
    inputs += [[labels.get(name, name), str(value)] for name, value in (found.payload or {}).items()]
    return RecordPage(
        title=f"Decision {found.chain.seq}",
        id=found.id,
        decision=decision,
        inputs=Table(["Field", "Value"], [] if erased else inputs),
        erased=erased,
        lineage=Table(["Name", "Value"], _lineage(found)),
        as_of_features=Table(["Feature", "Value"], _known(found)),
        chain=Table(
            ["Name", "Value"],
            [
                ["Number", str(found.chain.seq)],
                ["Hash", found.chain.hash],
                ["Hash before", found.chain.previous_hash],
                ["Payload's salted hash", found.chain.payload_hash],
            ],
        ),
        outcomes=found.outcomes,
        replay=replayed,
    )


def _lineage(found: DecisionRecord) -> list[list[str]]:
    lineage = found.lineage
    real = {True: "real", False: "not real", None: "unknown"}[lineage.is_real_data]
    parameters = ", ".join(f"{name} {value}" for name, value in sorted((lineage.hyper_parameters or {}).items()))
    rows = {
        "Model": f"{found.model.name} version {found.model.version}",
        "Digest": found.model.digest,
        "Recipe": f"{words(lineage.algorithm)}, sampler {words(lineage.sampler)}",
        "Hyper-parameters": parameters or "the recipe's own",
        "MLflow run": lineage.mlflow_run_id,
        "Training snapshot": lineage.training_snapshot,
        "Data": f"{lineage.data_source or 'n/a'} ({real})",
        "Model's code": lineage.git_revision,
        "App's code": lineage.code_version,
        "Contract": lineage.contract_version,
        "ONNX Runtime": lineage.onnxruntime_version,
        "Processor": lineage.cpu_architecture,
    }
    return [[name, value or "n/a"] for name, value in rows.items()]


def _known(found: DecisionRecord) -> list[list[str]]:
    rows = [["As of", found.as_of or "n/a"]]
    for name, value in found.as_of_features.get("rates", {}).items():
        rows.append([words(name).capitalize(), number(value, 4)])
    rows.append(["Recalibration, log-odds", number(found.as_of_features.get("log_odds_shift"), 4)])
    return rows


PAGE = Page("/audit", "Audit", "audit", (audit, verify, record, replay))
