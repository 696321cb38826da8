"""What the product is compared with: the least that its frameworks can do."""

from typing import ClassVar

from django.http import HttpRequest, HttpResponse
from rest_framework import generics, serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer

from tests.bench.models import Note


class NoteSerializer(serializers.ModelSerializer[Note]):
    class Meta:
        model = Note
        fields: ClassVar = ["title", "commit", "position"]


class CreateNote(generics.CreateAPIView[Note]):
    """One insert, for anybody."""

    queryset = Note._default_manager.all()
    serializer_class = NoteSerializer
    authentication_classes = ()
    permission_classes = ()
    parser_classes = (JSONParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = DefaultContentNegotiation


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("[]", content_type="application/json")
