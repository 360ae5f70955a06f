"""A bare FastAPI route that returns the raw body, one replica: what the ingress alone costs."""

from typing import Any

from fastapi import FastAPI, Request, Response
from ray import serve

api = FastAPI()


class Echo:
    """The deployment."""

    @api.post("/")
    async def echo(self, request: Request) -> Response:
        """Return the body as it came."""
        return Response(await request.body(), media_type="application/json")


_deployment: Any = serve.deployment(name="echo", num_replicas=1, max_ongoing_requests=1024)
app = _deployment(serve.ingress(api)(Echo)).bind()
