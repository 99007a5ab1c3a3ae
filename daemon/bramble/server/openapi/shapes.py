"""The shapes of answers in JSON Schema. Bodies are not here: their schemas are made of the structs that read them."""

from typing import Any

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}
TRUTH: Json = {"type": "boolean"}
ANY_OBJECT: Json = {"type": "object"}


def shape(**properties: Json) -> Json:
    """An object that has at least these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def several(items: Json) -> Json:
    """A list."""
    return {"type": "array", "items": items}


def maybe(kind: Json) -> Json:
    """This or null."""
    return {"anyOf": [kind, {"type": "null"}]}


EVENT = shape(data=TEXT)
"""One server-sent event."""
USAGE = shape(prompt_tokens=WHOLE, completion_tokens=WHOLE, total_tokens=WHOLE)
MODEL = shape(id=TEXT, object={"const": "model"}, created=WHOLE, owned_by=TEXT)
MODELS = shape(object={"const": "list"}, data=several(MODEL))
MESSAGE = shape(role={"const": "assistant"}, content=maybe(TEXT))
CHAT = shape(
    id=TEXT,
    object={"const": "chat.completion"},
    created=WHOLE,
    model=TEXT,
    choices=several(shape(index=WHOLE, message=MESSAGE, finish_reason=TEXT)),
    usage=USAGE,
)
COMPLETION = shape(
    id=TEXT,
    object={"const": "text_completion"},
    created=WHOLE,
    model=TEXT,
    choices=several(shape(index=WHOLE, text=TEXT, finish_reason=TEXT)),
    usage=USAGE,
)
RESPONSE = shape(
    id=TEXT,
    object={"const": "response"},
    created_at=WHOLE,
    status={"enum": ["completed", "incomplete"]},
    model=TEXT,
    output=several(shape(id=TEXT, type={"enum": ["message", "function_call"]}, status=TEXT)),
    store={"const": False},
    usage=shape(input_tokens=WHOLE, output_tokens=WHOLE, total_tokens=WHOLE),
)
VECTORS = shape(
    object={"const": "list"},
    data=several(
        shape(
            object={"const": "embedding"},
            index=WHOLE,
            embedding={"anyOf": [several(NUMBER), TEXT]},
        )
    ),
    model=TEXT,
    usage=shape(prompt_tokens=WHOLE, total_tokens=WHOLE),
)
OPENAI_ERROR = shape(error=shape(message=TEXT, type=TEXT, param=maybe(TEXT), code=TEXT))

VERSION = shape(version=TEXT)
DETAILS = shape(
    format=TEXT, family=TEXT, families=several(TEXT), parameter_size=TEXT, quantization_level=TEXT
)
LISTED = shape(name=TEXT, model=TEXT, modified_at=TEXT, size=WHOLE, digest=TEXT, details=DETAILS)
TAGS = shape(models=several(LISTED))
LOADED = shape(name=TEXT, model=TEXT, size=WHOLE, digest=TEXT, details=DETAILS, expires_at=TEXT)
PS = shape(models=several(LOADED))
SHOWN = shape(
    license=TEXT,
    modelfile=TEXT,
    parameters=TEXT,
    template=TEXT,
    details=DETAILS,
    model_info=ANY_OBJECT,
    capabilities=several(TEXT),
    modified_at=TEXT,
)
OLLAMA_CHAT = shape(model=TEXT, created_at=TEXT, message=MESSAGE, done=TRUTH)
OLLAMA_TEXT = shape(model=TEXT, created_at=TEXT, response=TEXT, done=TRUTH)
OLLAMA_VECTORS = shape(model=TEXT, embeddings=several(several(NUMBER)), prompt_eval_count=WHOLE)
OLLAMA_VECTOR = shape(embedding=several(NUMBER))
STATUS = shape(status=TEXT)
OLLAMA_ERROR = shape(error=TEXT)

PROPS = shape(
    default_generation_settings=shape(n_ctx=WHOLE, params=ANY_OBJECT),
    total_slots=WHOLE,
    model_alias=TEXT,
    model_path=TEXT,
    chat_template=TEXT,
    bos_token=TEXT,
    eos_token=TEXT,
    build_info=TEXT,
)
SLOTS = several(shape(id=WHOLE, n_ctx=WHOLE, is_processing=TRUTH, n_prompt_tokens=WHOLE))
PIECE = shape(id=WHOLE, piece={"anyOf": [TEXT, several(WHOLE)]})
TOKENS = shape(tokens=several({"anyOf": [WHOLE, PIECE]}))
CONTENT = shape(content=TEXT)
PROMPT = shape(prompt=TEXT)
STREAMS = several(
    shape(
        conversation_id=TEXT,
        is_done=TRUTH,
        total_bytes=WHOLE,
        started_at=WHOLE,
        completed_at=WHOLE,
    )
)
LLAMA_ERROR = shape(error=shape(code=WHOLE, message=TEXT, type=TEXT))

READINESS = shape(status=TEXT, fraction=NUMBER, reason=TEXT, hint=TEXT, model=maybe(TEXT))
BRAMBLE_ERROR = shape(error=shape(code=TEXT, message=TEXT, hint=TEXT))
