"""Ruby's `Random.new(seed)` and `Array#shuffle(random:)`, number for number.

Ruby and Python both have the Mersenne Twister MT19937 but seed it differently: Ruby takes a seed
of one 32-bit word by the generator's plain initialisation and a longer one by its array one, and
drops the sign. Below a limit it draws 32 bits, masks them, and tries again when they are too large.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

STATE_WORDS = 624
WORD = 0xFFFFFFFF


def shuffled(items: Sequence[Item], seed: int) -> list[Item]:
    """`items.shuffle(random: Random.new(seed))`, for up to 2**32 items."""
    generator = _generator(seed)
    result = list(items)
    for last in range(len(result) - 1, 0, -1):
        other = _at_most(last, generator)
        result[last], result[other] = result[other], result[last]
    return result


def _at_most(limit: int, generator: random.Random) -> int:
    mask = (1 << limit.bit_length()) - 1
    while True:
        value = generator.getrandbits(32) & mask
        if value <= limit:
            return value


def _generator(seed: int) -> random.Random:
    words = _words(abs(seed))
    state = _plain_state(words[0]) if len(words) == 1 else _array_state(words)
    generator = random.Random()
    generator.setstate((3, (*state, STATE_WORDS), None))
    return generator


def _words(seed: int) -> list[int]:
    """32 bits each, the lowest first, at least one. Ruby takes a highest word of 1 for a guard of
    its own and drops it, so 2**32 seeds like 0."""
    count = max(1, (seed.bit_length() + 31) // 32)
    words = [seed >> (32 * index) & WORD for index in range(count)]
    return words[:-1] if count > 1 and words[-1] == 1 else words


def _plain_state(word: int) -> list[int]:
    state = [word]
    for index in range(1, STATE_WORDS):
        before = state[-1]
        state.append((1812433253 * (before ^ before >> 30) + index) & WORD)
    return state


def _array_state(words: list[int]) -> list[int]:
    """The reference implementation's init_by_array."""
    state = _plain_state(19650218)
    index, key = 1, 0
    for _ in range(max(STATE_WORDS, len(words))):
        before = state[index - 1]
        mixed = state[index] ^ (before ^ before >> 30) * 1664525
        state[index] = (mixed + words[key] + key) & WORD
        index, key = _next_index(index, state), (key + 1) % len(words)
    for _ in range(STATE_WORDS - 1):
        before = state[index - 1]
        mixed = state[index] ^ (before ^ before >> 30) * 1566083941
        state[index] = (mixed - index) & WORD
        index = _next_index(index, state)
    state[0] = 0x80000000
    return state


def _next_index(index: int, state: list[int]) -> int:
    if index + 1 < STATE_WORDS:
        return index + 1
    state[0] = state[-1]
    return 1
