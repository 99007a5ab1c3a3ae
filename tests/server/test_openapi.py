"""/openapi.json is true: it names every route and no other, and what comes back is what it says."""

# pyright: basic
# schemathesis's own types are not whole.

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator
from schemathesis import Case, HookContext
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bramble.server.openapi.document import document
from tests.daemons import Live, Running
from tests.engine import tiny

Json = dict[str, Any]

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
FEW, MANY = 4, 60
"""Examples of each operation: by default, and in the slow test."""

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

schema = schemathesis.openapi.from_dict(document(), config=schemathesis.Config())
schema.config.phases.coverage.enabled = (
    False  # hundreds of requests at the edges of what is declared
)
thorough = schemathesis.openapi.from_dict(document(), config=schemathesis.Config())


MODELS = {
    "/api/chat": "starter",
    "/api/generate": "starter",
    "/api/show": "starter",
    "/api/embed": "tiny-bert",
    "/api/embeddings": "tiny-bert",
}
"""Who asks for a name that was invented learns only that there is none."""


@schema.hook
@thorough.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Ask for a model that is here."""
    name = MODELS.get(context.operation.path) if context.operation else None
    return {**body, "model": name} if name and isinstance(body, dict) else body


def routes(daemon: Running) -> set[tuple[str, str]]:
    """Every route as it was declared; HEAD comes with GET."""
    app = daemon.daemon.web
    return {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


async def test_every_route_is_in_it_and_no_other(daemon: Running) -> None:
    async with daemon.http.get(f"{daemon.url}/openapi.json") as response:
        told = await response.json()
    assert told["openapi"] == "3.1.0"
    named = {(method, path) for path, methods in told["paths"].items() for method in methods}
    assert named == routes(daemon)


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    whole = document()
    schemas = whole["components"]["schemas"]
    for each in schemas.values():
        Draft202012Validator.check_schema(each)
    for name in re.findall(r"#/components/schemas/([\w.]+)", str(whole)):
        assert name in schemas
    ids = [each["operationId"] for methods in whole["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids))


@pytest.fixture(scope="module")
def small(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A Bramble whose answers are short, whatever is asked."""
    folder = tmp_path_factory.mktemp("openapi")
    tiny.bert(folder / "tiny-bert.gguf")
    live = Live(
        folder,
        f"engine.model={starter}",
        f"embedding.model={folder}/tiny-bert.gguf",
        "engine.context=256",
        "chat.max_tokens=8",
        "server.rates.requests=100000",
        "server.rates.answers=100000",
    )
    live.until_ready()
    yield live
    live.end()
    assert "Traceback" not in live.log.read_text()


@schema.parametrize()
@settings(
    max_examples=FEW,
    derandomize=True,
    suppress_health_check=SLOW,
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_comes_back_is_declared(case: Case, small: Live) -> None:
    case.call_and_validate(base_url=small.url, checks=CHECKS, timeout=60)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@thorough.parametrize()
@settings(max_examples=MANY, suppress_health_check=SLOW)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_comes_back_is_declared_however_it_is_asked(case: Case, small: Live) -> None:
    case.call_and_validate(base_url=small.url, checks=CHECKS, timeout=60)
