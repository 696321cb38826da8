from __future__ import annotations

import json
import random
import subprocess

import pytest

from tests.worker_image.needed import needed
from worker_image.switchyard_agent.ruby_random import shuffled

# From `(0...n).to_a.shuffle(random: Random.new(seed))` in Ruby 3.1.
VECTORS = [
    (5, 0, [2, 0, 1, 3, 4]),
    (5, 1, [2, 1, 4, 0, 3]),
    (10, 42, [8, 1, 5, 0, 7, 2, 9, 4, 3, 6]),
    (7, 65535, [6, 4, 0, 3, 1, 5, 2]),
    (6, 4294967295, [1, 4, 5, 0, 2, 3]),
    (6, 4294967296, [5, 2, 1, 3, 0, 4]),
    (6, 4294967301, [5, 2, 4, 1, 0, 3]),
    (6, -42, [0, 1, 5, 2, 4, 3]),
    (8, 18446744073709551615, [5, 4, 2, 1, 3, 7, 0, 6]),
    (5, 79228162514264337593543950343, [1, 2, 3, 4, 0]),
    (1, 3, [0]),
    (0, 3, []),
]
EDGE_SEEDS = [0, 1, -1, 65535, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**33, 2**64 - 1, 2**64, 10**30]
RUBY = """
puts JSON.parse(STDIN.read).map { |n, s| (0...n).to_a.shuffle(random: Random.new(s)) }.to_json
"""


@pytest.mark.parametrize(("count", "seed", "expected"), VECTORS)
def test_it_shuffles_as_ruby_does(count: int, seed: int, expected: list[int]) -> None:
    assert shuffled(range(count), seed) == expected


@pytest.mark.ruby
def test_it_agrees_with_the_ruby_of_this_machine() -> None:
    source = random.Random(20250101)
    cases = [(count, seed) for count in (0, 1, 2, 3, 17, 400) for seed in EDGE_SEEDS]
    cases += [
        (source.randrange(200), source.randrange(-(2 ** source.randrange(1, 160)), 2**128))
        for _ in range(300)
    ]
    done = subprocess.run(
        [needed("ruby", "ruby"), "-rjson", "-e", RUBY],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    expected = json.loads(done.stdout)
    for (count, seed), order in zip(cases, expected, strict=True):
        assert shuffled(range(count), seed) == order, (count, seed)
