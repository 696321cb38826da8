"""Tasks of a usual project that run on Kubernetes, and their rows."""

from typing import Any

from dispatch import encryption
from dispatch.models import Assignment, TaskSecret
from kube.requesting import with_rows
from tests.factories import make_assignment, make_suite_run

COMPOSE = """\
services:
  saturn_test_app:
    build:
      context: ..
      dockerfile: .saturnci/Dockerfile
    volumes:
      - ../:/app
    environment:
      DATABASE_URL: postgres://postgres:secret@postgres/shop_test
      REDIS_URL: redis://redis:6379/0
      RAILS_ENV: test
      RAILS_MASTER_KEY: ${RAILS_MASTER_KEY:-}
    depends_on:
      postgres:
        condition: service_healthy
      redis:
        condition: service_started
  postgres:
    image: postgres:16
    environment:
      POSTGRES_PASSWORD: secret
    healthcheck:
      test: pg_isready -U postgres
      interval: 2s
      retries: 30
  redis:
    image: redis:7
"""
DOCKERFILE = """\
FROM ruby:3.3
RUN apt-get update && apt-get install -y --no-install-recommends libpq-dev nodejs
WORKDIR /app
COPY Gemfile Gemfile.lock ./
RUN bundle install --jobs 4
COPY . .
"""
ENV_VARS = {f"VARIABLE_{number}": f"value {number}" * 4 for number in range(12)}
TEXTS: dict[str, Any] = {"compose_text": COMPOSE, "dockerfile_text": DOCKERFILE}


def make_queued() -> Assignment:
    """One that was just accepted, with all that belongs to it read."""
    assignment = make_assignment(make_suite_run(backend="kubernetes", **TEXTS))
    ciphertext = encryption.encrypt_mapping(ENV_VARS)
    TaskSecret.objects.create(task=assignment.task, ciphertext=ciphertext)
    return with_rows(assignment.pk)
