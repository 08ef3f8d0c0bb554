"""The servers that `benchmarks.serving` measures, each in its own process.

`ours` is the app with two routes that read the same body and answer a constant: one as any Litestar route, one in the
more direct way of the predictions route. `fastapi` is what a good tutorial would build: pydantic, a pandas row, the
same recipe as an sklearn pipeline, no record.
Usage: python -m benchmarks.serving_apps ours|ours-without-ledger|fastapi <folder> <port>
"""

import sys
from pathlib import Path
from typing import Any


def ours(folder: Path, is_recording: bool) -> Any:
    """The app on the benchmark's own home, with the constant route."""
    from litestar import Request, Response, post
    from litestar.params import RawBody

    from serving.app import create_app
    from serving.decisions.payloads import Payloads
    from serving.decisions.schemas import EconomicsUsed, ModelReference, Prediction
    from serving.settings import load_serving_settings
    from serving.web.answers import JsonAnswer
    from serving.web.bodies import JsonBody, read_whole

    settings = load_serving_settings({"BANK_HOME": str(folder)})
    payloads = Payloads.of(settings.platform.contract)
    accepted = JsonBody(payloads.struct, payloads.request_of, example=payloads.example, scope="predict")
    answer = Prediction("0" * 36, 0.1, 0.05, 0.2, "no", "call", None, 0.1, 0.0, EconomicsUsed(5.0, 50.0),
                        ModelReference("bank-marketing", "1", "d" * 64), "2010-11-17", False, "2010-11-17T00:00:00Z",
                        "2010-11-17", [])  # fmt: skip

    @post("/api/v1/constant")
    async def constant(body: RawBody) -> Response[Prediction]:
        accepted.read(body)
        return Response(answer, status_code=201, headers={"Location": f"/api/v1/predictions/{answer.id}"})

    @post("/api/v1/constant-short")
    async def constant_short(request: Request[Any, Any, Any]) -> JsonAnswer:
        accepted.read(await read_whole(request, 65_536), request.scope["headers"])
        return JsonAnswer(answer, 201, ((b"location", f"/api/v1/predictions/{answer.id}".encode()),))

    return create_app(settings, is_recording=is_recording, route_handlers=[constant, constant_short],
                      access_log=(folder / "access.log").open("ab"))  # fmt: skip


def fastapi(folder: Path) -> Any:
    """FastAPI, pydantic, pandas, sklearn."""
    import joblib
    import pandas as pd
    from fastapi import FastAPI
    from pydantic import create_model

    pipeline, constants = joblib.load(folder / "peer.joblib"), joblib.load(folder / "constants.joblib")
    columns = list(joblib.load(folder / "columns.joblib"))
    payload = {name: (str if isinstance(value, str) else int, ...) for name, value in constants["example"].items()}
    body = create_model("Body", **payload)
    app = FastAPI()

    def predict(data: body) -> dict[str, Any]:  # type: ignore[valid-type]
        row = pd.DataFrame([{**constants["as_of"], **data.model_dump()}])[columns]
        probability = float(pipeline.predict_proba(row)[0, 1])
        return {"probability": probability, "prediction": "yes" if probability >= 0.3 else "no"}

    app.post("/predict")(predict)
    return app


if __name__ == "__main__":
    import uvicorn

    kind, home, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    made = fastapi(home) if kind == "fastapi" else ours(home, kind == "ours")
    uvicorn.run(made, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False,
                log_level="warning")  # fmt: skip
