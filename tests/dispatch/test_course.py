"""How it went over a time, in buckets."""

from datetime import timedelta

import pytest
from django.db import connection

from dispatch import course as course_module
from dispatch.comparison import final_attempts, summary
from dispatch.course import LENGTHS, MOST_BUCKETS, Bucket, bucket_length, course
from dispatch.models import Assignment
from dispatch.outcomes import Category
from tests.dispatch.ends import HOUR, START, ended

database = pytest.mark.django_db
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="asks PostgreSQL")
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("seconds", "length"),
    [(1, 1), (3600, 60), (3601, 120), (86_400, 1800), (7 * 86_400, 10_800), (30 * 86_400, 43_200)],
)
def test_a_bucket_is_the_shortest_whole_time_of_which_few_are_enough(
    seconds: int, length: int
) -> None:
    assert bucket_length(seconds) == length


def test_a_very_long_time_has_buckets_of_whole_days() -> None:
    seconds = LENGTHS[-1] * MOST_BUCKETS * 3
    assert bucket_length(seconds) % 86_400 == 0
    assert seconds / bucket_length(seconds) <= MOST_BUCKETS


@database
def test_each_task_is_in_the_bucket_of_its_end() -> None:
    ended(claimed=5, closed=65)
    ended(claimed=5, closed=119)
    ended(Category.CANCELLED, claimed=None, closed=125)
    ended(backend="kubernetes", claimed=10, closed=3599)

    found = course(START, START + HOUR)

    assert (found.begin, found.seconds, found.count, found.end) == (START, 60, 60, START + HOUR)
    assert found.series["droplets"] == {1: Bucket(ended=2, p50=60.0), 2: Bucket(ended=1)}
    assert found.series["kubernetes"] == {59: Bucket(ended=1, p50=3589.0)}
    assert found.start_of(59) == START + 59 * HOUR / 60


@database
def test_the_wait_for_an_image_is_part_of_the_run() -> None:
    attempt = ended(claimed=45, closed=65)
    Assignment.objects.filter(pk=attempt.pk).update(image_wait=timedelta(seconds=40))
    assert course(START, START + HOUR).series["droplets"] == {1: Bucket(ended=1, p50=60.0)}


@database
def test_it_counts_what_the_table_counts() -> None:
    for number in range(20):
        ended(Category.AGENT_LOST if number % 4 == 0 else Category.PASSED, closed=97 * number + 9)
    since, until = START + timedelta(seconds=61), START + timedelta(seconds=1500)
    counted = sum(bucket.ended for bucket in course(since, until).series["droplets"].values())
    assert counted == next(one for one in summary(since, until) if one.backend == "droplets").tasks


@database
def test_buckets_begin_at_whole_times_and_cover_the_whole_of_it() -> None:
    since = START + timedelta(seconds=17)
    found = course(since, since + DAY)
    assert found.begin == START
    assert found.end >= since + DAY and found.count <= MOST_BUCKETS + 1


@database
@on_postgresql
def test_the_database_finds_the_same_buckets() -> None:
    for number in range(40):
        ended(claimed=None if number % 7 == 0 else number % 13, closed=20 + number * number % 997)
    attempts = final_attempts("droplets", START, START + HOUR)
    here = course_module._buckets_here(attempts, START, 60)
    assert here == course_module._buckets_there(attempts, START, 60)
    assert len(here) > 5
