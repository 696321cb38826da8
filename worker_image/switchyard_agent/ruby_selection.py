"""The selection of a shard's test files as Ruby makes it, run by the Ruby of the built image.

It prints how many RSpec files there are at all, then those of the shard, separated by NUL. The
order is that of Ruby 3's `Dir.glob`; an older one gives them as the file system does.
"""

from __future__ import annotations

SELECTION = """
count, index, seed = ARGV.map { |text| Integer(text) }
files = Dir.glob("./spec/**/*_spec.rb").map { |path| path.b }.sort_by { |path| path.split("/") }
size, larger = files.size / count, files.size % count
before = index - 1
start = before * size + [before, larger].min
taken = index > count ? 0 : size + (before < larger ? 1 : 0)
shard = files.shuffle(random: Random.new(seed))[start, taken] || []
$stdout.binmode
$stdout.write([files.size.to_s, *shard].join("\\0"))
"""


def parse(answer: bytes) -> tuple[int, list[str]] | None:
    """How many files there are, and the shard's. None where this is no answer."""
    count, *files = answer.split(b"\0")
    if not count.isdigit() or len(files) > int(count):
        return None
    return int(count), [name.decode("utf-8", "surrogateescape") for name in files]
