import httpx2
import pytest
from fastapi import FastAPI

from tidings.api.access_log import AccessLog
from tidings.core.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def app(metrics: Metrics) -> FastAPI:
    app = FastAPI()
    app.add_middleware(AccessLog, metrics=metrics)

    @app.get("/v1/things/{name}")
    async def thing(name: str) -> str:
        if name == "broken":
            raise RuntimeError(name)
        return name

    return app


async def ask(app: FastAPI, method: str, path: str) -> None:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        await http.request(method, path)


def counted(metrics: Metrics) -> dict[tuple[str, str, str], float]:
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "tidings_http_requests_total"
    }


async def test_requests_are_counted_by_the_route_they_took(app: FastAPI, metrics: Metrics) -> None:
    for path in ("/v1/things/a", "/v1/things/b", "/v1/things/broken"):
        await ask(app, "GET", path)

    assert counted(metrics) == {
        ("GET", "/v1/things/{name}", "200"): 2,
        ("GET", "/v1/things/{name}", "500"): 1,
    }


async def test_strangers_make_no_new_series(app: FastAPI, metrics: Metrics) -> None:
    for number in range(20):
        await ask(app, f"BREW{number}", f"/nowhere/{number}")
        await ask(app, "GET", f"/v2/{number}")

    assert counted(metrics) == {("other", "none", "404"): 20, ("GET", "none", "404"): 20}


async def test_how_long_an_answer_took_is_observed(app: FastAPI, metrics: Metrics) -> None:
    await ask(app, "GET", "/v1/things/a")

    labels = {"method": "GET", "route": "/v1/things/{name}"}
    value = metrics.registry.get_sample_value
    assert value("tidings_http_request_seconds_count", labels) == 1
    assert (value("tidings_http_request_seconds_sum", labels) or 0) > 0
