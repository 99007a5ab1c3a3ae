"""The error family. Every error is one sentence for a person, plus a hint where something can be done.

Only `server/` turns these into status codes and frames; nobody else knows HTTP.
"""


class BrambleError(Exception):
    """Base of everything Bramble raises on purpose.

    `code` is a stable machine-readable name, `hint` says what to do next (may be empty).
    """

    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadRequest(BrambleError):
    """What was asked for cannot be done as asked; `field` names the culprit where there is one."""

    code = "bad_request"

    def __init__(self, message: str, hint: str = "", field: str | None = None) -> None:
        super().__init__(message, hint)
        self.field = field


class PromptTooLong(BadRequest):
    """The prompt alone does not fit the context. `prompt_tokens` and `context` are in tokens."""

    code = "context_length_exceeded"

    def __init__(self, prompt_tokens: int, context: int) -> None:
        super().__init__(
            f"The message is too long: it has {prompt_tokens} tokens and this appliance holds {context}.",
            "Shorten the message or start a new chat.",
        )
        self.prompt_tokens = prompt_tokens
        self.context = context


class NotFound(BrambleError):
    """The thing named does not exist here."""

    code = "not_found"


class Busy(BrambleError):
    """The waiting queue is full. `retry_after` is in seconds."""

    code = "busy"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, "Try again in a moment.")
        self.retry_after = retry_after


class TooMany(Busy):
    """Somebody asks more often than one may; others are not affected."""

    code = "rate_limited"


class ModelUnavailable(BrambleError):
    """No model can answer now and waiting would not help; the message says why."""

    code = "model_unavailable"


class EngineLost(BrambleError):
    """The engine process died or stopped answering in the middle of this answer."""

    code = "engine_lost"


class EnginePutAway(EngineLost):
    """The model was unloaded on purpose, with this answer in it: nobody is to blame."""


class Recovering(Busy):
    """Nothing new is taken until the board has recovered from a lack of memory or from heat; the message says which."""

    code = "recovering"


class ConfigError(BrambleError):
    """The configuration has mistakes; `message` lists them all, one a line."""

    code = "config"
