"""The selection of the legacy Ruby agent, run by real Ruby.

Design: `Dir.glob` sorted, shuffled with `Random.new(seed)`, cut into consecutive chunks whose sizes
differ by at most one, the larger ones first.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.worker_image.needed import needed

SELECTION = r"""
count, seed = ARGV.map(&:to_i)
files = Dir.glob('./spec/**/*_spec.rb').shuffle(random: Random.new(seed))
size, larger = files.size / count, files.size % count
start = 0
shards = Array.new(count) do |index|
  length = size + (index < larger ? 1 : 0)
  chunk = files[start, length]
  start += length
  chunk
end
$stdout.binmode
$stdout.write(shards.map { |shard| shard.map(&:b).join("\0") }.join("\0\0"))
"""


def legacy_shards(root: Path, *, seed: int, count: int, locale: str = "C.UTF-8") -> list[list[str]]:
    """The files of each shard of a checkout."""
    done = subprocess.run(
        [needed("ruby", "ruby"), "-e", SELECTION, str(count), str(seed)],
        cwd=root,
        env={"PATH": os.environ["PATH"], "LC_ALL": locale},
        capture_output=True,
        check=True,
        timeout=60,
    )
    shards = done.stdout.split(b"\0\0")
    return [[os.fsdecode(name) for name in names.split(b"\0") if name] for names in shards]
