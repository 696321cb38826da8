"""What can go wrong, one class per reaction."""

from __future__ import annotations


class AgentError(Exception):
    """Everything the agent has an answer to; anything else is a bug of its own."""


class BadSettings(AgentError):
    """The environment does not say what it must: nothing is started."""


class BadWorkOrder(AgentError):
    """The assignment cannot be run as it was given: say so and leave."""


class Unreachable(AgentError):
    """No answer, or one that says nothing (5xx, 408, 429): try again later."""

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class GaveUp(AgentError):
    """The deadline for delivering passed: what is left stays undelivered."""


class Refused(AgentError):
    """A final answer that is not a success: this call is not sent again. `body` is its text."""

    def __init__(self, status: int, call: str, body: bytes = b"") -> None:
        super().__init__(f"{call} was answered {status}")
        self.status = status
        self.body = body


class StepFailed(AgentError):
    """A step ended badly. `event` is what tells the control plane, None where the gap does."""

    event: str | None = "agent_error"


class CloneFailed(StepFailed):
    event = "clone_failed"


class BuildFailed(StepFailed):
    event = "build_failed"


class ServiceFailed(StepFailed):
    """The compose file asks for what there is not."""

    event = "service_failed"


class OutOfMemory(StepFailed):
    """The tests used more than they may, and did not come to a verdict."""

    event = "test_oom"


class PreScriptFailed(StepFailed):
    """Told by `pre_script_started` without `pre_script_finished`, as the legacy agent does."""

    event = None


class Interrupted(AgentError):
    """A step was ended from outside. `exit_code` is the command's own, None if none ran."""

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class TimedOut(Interrupted):
    """The Task's own timeout: it ends as the customer's."""


class Stopped(Interrupted):
    """Cancelled, superseded, refused or terminated: send the logs that are there and leave."""
