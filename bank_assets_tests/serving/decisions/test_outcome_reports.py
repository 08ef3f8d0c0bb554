"""Reports of outcomes: the names of their fields are those of the contract, and the platform's own."""

from dataclasses import replace

import msgspec
import pytest

from bank_assets.contract.uci import UCI
from serving.decisions.outcome_reports import read_outcome
from serving.web.problems import PayloadError


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"Abschluss": "yes", "Dauer": 90}, ""),
        ({"y": " yes ", "duration": 90.0}, ""),
        ({"Abschluss": "ja"}, 'Abschluss: expected one of no, yes, found "ja"'),
        ({"Abschluss": "yes", "Dauer": -1}, "Dauer: expected a whole number from 0 to 86,400, found -1"),
        ({"Dauer": 90}, "Abschluss: expected one of no, yes, found nothing"),
        ({"Abschluss": "yes", "y": "no"}, "y: expected only the fields Abschluss, "),
    ],
)
def test_an_outcome_has_the_names_of_its_contract_and_those_of_the_platform(sent, said):
    names = {"y": "Abschluss", "duration": "Dauer"}
    own = replace(UCI, columns=tuple(replace(one, source=names.get(one.source, one.source)) for one in UCI.columns))
    body = msgspec.json.encode({"contact_id": "k", **sent})
    if said:
        with pytest.raises(PayloadError) as error:
            read_outcome(body, (), own)
        assert said in str(error.value)
    else:
        found = read_outcome(body, (), own)
        assert (found.y, found.duration) == ("yes", 90)
