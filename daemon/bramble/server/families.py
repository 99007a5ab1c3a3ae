"""Which family of clients asks on a path, and how that family reads an error."""

from typing import Any

OLLAMA = frozenset(
    f"/api/{name}"
    for name in (
        "version tags ps show chat generate embed embeddings pull delete create copy push".split()
    )
)
LLAMA = frozenset({"/health", "/props", "/slots", "/tokenize", "/detokenize", "/apply-template"})
"""The routes that llama-server has and OpenAI has not."""
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    503: "unavailable_error",
}


def ollama_error(message: str, hint: str) -> dict[str, Any]:
    """As Ollama's clients read it."""
    return {"error": f"{message} {hint}".strip()}


def llama_error(status: int, message: str, hint: str) -> dict[str, Any]:
    """As llama-server's clients read it."""
    kind = KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"code": status, "message": f"{message} {hint}".strip(), "type": kind}}
