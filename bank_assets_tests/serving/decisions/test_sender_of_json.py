"""JSON takes the mapping of its sender, as files do."""

import io
from contextlib import nullcontext
from dataclasses import replace

import msgspec
import pytest

from bank_assets.contract.senders import Sender
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.uci import UCI
from serving.decisions.payloads import Payloads
from serving.decisions.schemas import PredictionRequest
from serving.decisions.uploads import json_rows
from serving.web.bodies import JsonBody
from serving.web.problems import PayloadError

CRM = Sender(
    "crm",
    columns=(("Kunde", "contact_id"), ("Tag", "contact_date"), ("Saldo", "balance")),
    values=(("*", "", "unknown"), ("housing", "1", "yes"), ("loan", "false", "no"), ("poutcome", "other", "failure")),
    ignore_case=True,
    decimal_sign=",",
    thousands_sign=".",
    date_format="DD.MM.YYYY",
)


@pytest.mark.parametrize("files", ["*", "crm-*"])
def test_json_takes_the_mapping_of_its_sender(files):
    payloads = Payloads.of(replace(UCI, senders=(replace(CRM, files=files),)))
    sent = {name: payloads.example[name] for name in UCI.payload_columns if name != "balance"} | {
        "Kunde": " 007 ", "Tag": "22.11.2010", "Saldo": "2.000", "job": "MANAGEMENT", "education": None, "age": 41,
        "housing": 1, "loan": False, "poutcome": "other", "economics": {"value_eur": 80},
    }  # fmt: skip
    of_file = SentText.of_file(payloads.contract, "crm-may.json")
    ((_, found),) = json_rows(io.BytesIO(msgspec.json.encode([sent])), payloads, of_file)
    assert isinstance(found, PredictionRequest), found
    names = ("balance", "job", "education", "age", "housing", "loan", "poutcome")
    read = [getattr(found, payloads.attributes[name]) for name in names]
    # Also what the contract knows may mean something else.
    assert read == [2_000, "management", "unknown", 41, "yes", "no", "failure"]
    assert (found.contact_id, str(found.contact_date)) == ("007", "2010-11-22")
    assert found.economics.value_eur == 80
    body = JsonBody(payloads.struct, payloads.request_of, example={}, scope="")
    if payloads.sent.sender:
        body.read_by(payloads.request_of)
    alone = nullcontext() if files == "*" else pytest.raises(PayloadError)
    with alone:
        body.read(msgspec.json.encode(sent))


def test_a_text_that_no_mapping_knows_is_refused_as_it_was_sent():
    payloads = Payloads.of(replace(UCI, senders=(CRM,)))
    with pytest.raises(PayloadError, match=r'found "5\.50"'):
        payloads.request_of({**payloads.example, "balance": "5.50"})
