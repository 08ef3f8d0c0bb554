"""The list that the demo home was delivered."""

import csv
import io


def delivered(client):
    text = (client.app.state.services.settings.platform.landing / "campaigns" / "example.csv").read_text()
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))
