"""What the tests of the champion share."""

import json

from serving.champion.champion import ChampionStore


def store_of(client) -> ChampionStore:
    return client.app.state.services.store


def under(files, contract):
    """The same model, said to be made under another contract."""
    document = json.loads(files["decision.json"]) | {"contract": contract.to_dict()}
    return files | {"decision.json": json.dumps(document).encode()}
