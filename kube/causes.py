"""Tells whose fault a failed build or pull is, from the words of the program that failed. Pure."""

from dispatch.outcomes import Category

# The last line of Kaniko's output. Its exit code is the failed step's own, so it says nothing.
CUSTOMER = (
    "failed to execute command",
    "parsing dockerfile",
    "failed to get fileinfo",
    "failed to get files used from context",
    "target build stage",
    "could not parse reference",
    "failed to process",
)
PUSHING = ("checking push permissions", "failed to push")
BASE_MISSING = ("manifest_unknown", "manifest unknown", "name_unknown", "not found")
# It was tried several times. Of what is not there, many registries say that it is not allowed.
GAVE_UP, NOT_ALLOWED = "unable to complete operation", ("unauthorized:", "denied:")
# A registry that says so gives the image to whoever asks later, or with a login that is valid.
FOR_NOW = ("expired", "toomanyrequests", "too many requests")
# The registry's own answer to whoever asks for an image; else that of the one who gives tokens.
REFUSED_BY_REGISTRY = "failed with status code"
REFUSED = ("unexpected status: 401", "401 Unauthorized", "403 Forbidden")
FULL_DISK = ("ephemeral", "emptydir", "disk", "no space left")


def builder_end(output: str) -> tuple[Category, str]:
    """The category and the sentence for a builder that failed, from the tail of its output."""
    lines = [line for line in output.splitlines() if line.strip()]
    last = lines[-1].strip() if lines else ""
    words = last.lower()
    if any(sign in words for sign in CUSTOMER):
        return Category.BUILD_FAILED, f"A step of the Dockerfile failed: {last}"
    if any(sign in words for sign in PUSHING):
        return Category.REGISTRY_PUSH, last
    missing = (*BASE_MISSING, *NOT_ALLOWED) if GAVE_UP in words else BASE_MISSING
    for_now = any(sign in words for sign in FOR_NOW)
    if not for_now and any(sign in words for sign in missing):
        return Category.BASE_IMAGE_NOT_FOUND, f"The Dockerfile's base image is not found: {last}"
    if for_now or GAVE_UP in words:
        return Category.REGISTRY_PUSH, last
    return Category.UNKNOWN, last or "the builder ended without a word"


def pull_end(message: str) -> Category:
    """Why an image could not be pulled: it is not there, not ours to pull, or out of reach."""
    if _not_found(message):
        return Category.IMAGE_PULL_NOT_FOUND
    if "insufficient_scope" in message or any(sign in message for sign in REFUSED):
        return Category.IMAGE_PULL_AUTH
    return Category.IMAGE_PULL_NETWORK


def refuses_us(message: str) -> bool:
    """Whether the registry has no such image for us: of a repository that is private, or was never
    there, many registries say the same."""
    by_itself = REFUSED_BY_REGISTRY in message and any(sign in message for sign in REFUSED)
    return _not_found(message) or "insufficient_scope" in message or by_itself


def _not_found(message: str) -> bool:
    return ": not found" in message or "manifest unknown" in message


def disk_is_full(message: str) -> bool:
    words = message.lower()
    return any(sign in words for sign in FULL_DISK)
