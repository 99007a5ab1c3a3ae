"""The settings of conversations: how they are answered, remembered and queued."""

from typing import Annotated

from msgspec import Meta, Struct


class ChatSettings(Struct, frozen=True):
    """How conversations go."""

    system_prompt: Annotated[
        str, Meta(description="What the model is told before every conversation; may be empty.")
    ] = "You are a helpful AI assistant named Bramble. Answer clearly and briefly."
    temperature: Annotated[
        float,
        Meta(
            ge=0,
            le=2,
            description="How freely answers on the page are worded; 0 takes the likeliest word.",
        ),
    ] = 0.4
    typing_ahead: Annotated[
        bool,
        Meta(
            description="Read what somebody is typing before they send it, while nothing else is to do."
        ),
    ] = True
    continue_after_restart: Annotated[
        bool,
        Meta(
            description="Go on by itself with answers that a power cut or restart broke off within the last hour."
        ),
    ] = True
    max_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=1_048_576,
            description="Tokens in the longest answer, unless an API client asks for another length.",
        ),
    ] = 1024


class CacheSettings(Struct, frozen=True):
    """Answers that are given again instead of being computed. Asking again in a conversation always computes."""

    enabled: Annotated[
        bool,
        Meta(
            description="Give the first question of a conversation the answer that somebody got to it before."
        ),
    ] = False
    answers: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Answers that are kept; the oldest go first.")
    ] = 500
    days: Annotated[
        float, Meta(gt=0, le=3650, description="Days after which an answer is computed anew.")
    ] = 30.0
    faq: Annotated[
        str,
        Meta(
            description="YAML file with questions and fixed answers to them, read again when it changes; empty: none."
        ),
    ] = ""


class StoreSettings(Struct, frozen=True):
    """How much is remembered. The conversations that rested longest go first."""

    max_mb: Annotated[
        int, Meta(ge=8, le=1_048_576, description="Megabytes that conversations may take on disk.")
    ] = 1024
    keep_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36_500,
            description="Days after its last message that a conversation is deleted; 0 keeps it.",
        ),
    ] = 0.0


class QueueSettings(Struct, frozen=True):
    """Who waits when every slot is taken."""

    waiting: Annotated[
        int, Meta(ge=0, le=10_000, description="Requests that may wait; more are refused.")
    ] = 64
    per_person: Annotated[
        int, Meta(ge=1, le=10_000, description="Requests of one person that may wait.")
    ] = 8
