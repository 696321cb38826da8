"""Who calls: an API key as bearer, with scopes."""

from typing import TYPE_CHECKING, cast

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from dispatch.models import ApiClient, ApiKey

if TYPE_CHECKING:
    from rest_framework.views import APIView

UNUSABLE = {"Authorization": "The API key is unknown, revoked or expired: use another one."}
MALFORMED = {"Authorization": "Is malformed: send `Bearer`, one space, and an API key."}


class ApiKeyAuthentication(BaseAuthentication):
    """`request.user` is the ApiClient, `request.auth` the ApiKey."""

    def authenticate(self, request: Request) -> tuple[ApiClient, ApiKey] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2:
            raise AuthenticationFailed(MALFORMED)
        key = ApiKey.find(words[1].decode("latin-1"))
        if key is None:
            raise AuthenticationFailed(UNUSABLE)
        key.touch()
        return key.client, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="switchyard"'


class HasScope(BasePermission):
    """The key has the scope that the view names for this method in its `scopes`."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.auth, ApiKey):
            return False
        needed = getattr(view, "scopes", {}).get(request.method)
        if needed is None or needed in request.auth.scopes:
            return True
        message = f"The API key lacks the scope {needed}: use a key that has it."
        raise PermissionDenied({"Authorization": message})


def client_of(request: Request) -> ApiClient:
    """Whose key it is; the views that use this let nobody in without one."""
    return cast(ApiClient, request.user)
