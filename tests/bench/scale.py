from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is measured. Times are seconds."""

    create_rounds: int
    create_requests: int
    place_rounds: int
    place_count: int
    queued: int
    finished: int
    poll_rounds: int
    poll_requests: int
    assignments: int
    job_rounds: int
    job_count: int
    reconcile_rounds: int
    live: int
    accepted: int
    burst: int


FULL = Scale(
    create_rounds=24,
    create_requests=120,
    place_rounds=24,
    place_count=1_000,
    queued=100_000,
    finished=1_000_000,
    poll_rounds=20,
    poll_requests=500,
    assignments=600,
    job_rounds=20,
    job_count=20,
    reconcile_rounds=12,
    live=500,
    accepted=400,
    burst=500,
)
QUICK = Scale(
    create_rounds=6,
    create_requests=60,
    place_rounds=6,
    place_count=600,
    queued=20_000,
    finished=100_000,
    poll_rounds=6,
    poll_requests=300,
    assignments=300,
    job_rounds=6,
    job_count=12,
    reconcile_rounds=6,
    live=500,
    accepted=100,
    burst=150,
)
