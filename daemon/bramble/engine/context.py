"""One context of llama.cpp: cells, a raw batch and the states of sequences, in the types of Python."""

import ctypes
from collections.abc import Sequence
from typing import Any

from bramble.engine.llama import C, LoadError, Model, complaint, forget_complaints


class Context:
    """The KV cache of one model for `slots` sequences that share `size` cells, and one raw batch of `batch` rows.

    Where layers see only the last `window` tokens (0: all layers see all), a `windowed` one keeps little more of them.
    """

    def __init__(
        self,
        model: Model,
        *,
        size: int,
        slots: int,
        batch: int,
        threads: int,
        guess_rows: int = 0,
        windowed: bool = False,
    ) -> None:
        params = C.llama_context_default_params()
        params.swa_full = not windowed
        params.n_ctx = size
        params.n_batch = params.n_ubatch = batch
        params.n_seq_max = slots
        # Every row that may ask for logits in one step; unset it is n_batch, which costs 300 MiB for a 0.5B model.
        self.outputs_max = params.n_outputs_max = slots + guess_rows
        params.n_threads = params.n_threads_batch = threads
        # It reads the cache anew for each row and head below 64 rows; measured on x86 only (daemon/README.md).
        params.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.kv_unified = True
        params.no_perf = True
        forget_complaints()
        self._pointer: Any = C.llama_init_from_model(model.pointer, params)
        if not self._pointer:
            raise LoadError(complaint("llama.cpp could not make a context"))
        self._memory: Any = C.llama_get_memory(self._pointer)
        self.size: int = C.llama_n_ctx(self._pointer)
        self.window = model.window
        self.recurrent: bool = C.llama_model_is_recurrent(model.pointer)
        self.shifts: bool = C.llama_memory_can_shift(self._memory)
        self._shifting = False
        self._arrange(batch)

    def _arrange(self, rows: int) -> None:
        """One batch for the life of the context: each row belongs to one sequence, so only ids change."""
        self._batch: Any = C.llama_batch_init(rows, 0, 1)
        ints = ctypes.c_int32 * rows
        at = ctypes.addressof
        self._tokens = ints.from_address(at(self._batch.token.contents))
        self._positions = ints.from_address(at(self._batch.pos.contents))
        self._outputs = (ctypes.c_int8 * rows).from_address(at(self._batch.logits.contents))
        counts = ints.from_address(at(self._batch.n_seq_id.contents))
        counts[:] = [1] * rows
        self._sequences = ints()
        for row in range(rows):
            self._batch.seq_id[row] = ctypes.cast(
                at(self._sequences) + 4 * row, ctypes.POINTER(ctypes.c_int32)
            )
        self.rows = 0
        self.rows_max = rows

    @property
    def handle(self) -> ctypes.c_void_p:
        """The `llama_context *`, for what llama-cpp-python does not bind."""
        return ctypes.c_void_p(self._pointer)

    def close(self) -> None:
        """Give its memory back."""
        # The rows' sequences are in our own array: llama.cpp must not free them.
        self._batch.seq_id[0] = ctypes.POINTER(ctypes.c_int32)()
        C.llama_batch_free(self._batch)
        C.llama_free(self._pointer)

    def set_threads(self, decode: int, prefill: int) -> None:
        """Compute one row with `decode` threads from now on, more rows with `prefill`."""
        C.llama_set_n_threads(self._pointer, decode, prefill)

    def clear_rows(self) -> None:
        """Forget the rows added for the last step."""
        self.rows = 0

    def add_rows(self, sequence: int, tokens: Sequence[int], start: int, *, outputs: int) -> int:
        """Append tokens of one sequence from position `start`; the last `outputs` of them get logits.

        Returns the first row's number; rows are what a sampler wants.
        """
        count = len(tokens)
        first, end = self.rows, self.rows + count
        self._tokens[first:end] = tokens
        self._positions[first:end] = range(start, start + count)
        self._sequences[first:end] = [sequence] * count
        self._outputs[first:end] = [0] * (count - outputs) + [1] * outputs
        self.rows = end
        return first

    def decode(self) -> bool:
        """Compute the rows. False where the cache has no room for them (nothing has changed then).

        Raises RuntimeError on anything else llama.cpp reports: the context is not to be trusted after that.
        """
        self._batch.n_tokens = self.rows
        self._shifting = False  # llama_decode turns shifted keys before anything else
        status: int = C.llama_decode(self._pointer, self._batch)
        if status not in (0, 1):
            raise RuntimeError(f"llama_decode returned {status}: {complaint('no reason given')}")
        return status == 0

    def forget(self, sequence: int, start: int = 0) -> bool:
        """Drop a sequence's cells from position `start` on; False where this model cannot drop a part."""
        return C.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def share(self, source: int, target: int, end: int) -> None:
        """Let `target` use the first `end` cells of `source` too; nothing is computed or copied."""
        C.llama_memory_seq_cp(self._memory, source, target, 0, end)

    def join(self, source: int, target: int, end: int) -> None:
        """Let `target` use `source`'s first `end` cells instead of its own, which hold the same."""
        C.llama_memory_seq_rm(self._memory, target, 0, end)
        self.share(source, target, end)

    def covers(self, sequence: int, size: int) -> bool:
        """Whether all that the token behind the first `size` ones looks at is still there, in every layer."""
        oldest: int = C.llama_memory_seq_pos_min(self._memory, sequence) if self.window else 0
        return oldest <= max(0, size + 1 - self.window)

    def shift(self, sequence: int, start: int, end: int) -> None:
        """Drop the tokens from `start` to `end` and move those behind down; only where the model `shifts`."""
        C.llama_memory_seq_rm(self._memory, sequence, start, end)
        C.llama_memory_seq_add(self._memory, sequence, end, -1, start - end)
        self._shifting = True

    def state_size(self, sequence: int, *, part: bool = False) -> int:
        """Bytes of `state`; 0 while there is none to be had, between a shift and the next step."""
        if self._shifting:
            return 0
        return C.llama_state_seq_get_size_ext(self._pointer, sequence, int(part))

    def state(self, sequence: int, *, part: bool = False) -> bytearray:
        """What a sequence's cells hold, in llama.cpp's own format; as `part` only what cannot be cut.

        That is the state of recurrent layers and the cells of sliding windows.
        """
        data = bytearray(self.state_size(sequence, part=part))
        buffer = (ctypes.c_uint8 * len(data)).from_buffer(data)
        C.llama_state_seq_get_data_ext(self._pointer, buffer, len(data), sequence, int(part))
        return data

    def restore(self, sequence: int, data: bytearray, *, part: bool = False) -> bool:
        """Fill an empty sequence from `state`; False where the cache has no room (it stays empty then).

        A `part` takes the place of that part of a sequence; where it fails, nothing of it is to be trusted.
        """
        buffer = (ctypes.c_uint8 * len(data)).from_buffer(data)
        size = len(data)
        return size == C.llama_state_seq_set_data_ext(
            self._pointer, buffer, size, sequence, int(part)
        )

    def synchronize(self) -> None:
        """Wait until the last step is really computed."""
        C.llama_synchronize(self._pointer)

    def sample(self, sampler: Any, row: int) -> int:
        """Draw the next token from a row's logits with a sampler chain, and tell the chain so."""
        return C.llama_sampler_sample(sampler, self._pointer, row)
