from django.db import models


class Note(models.Model):
    """As little as a row of an API can be."""

    title = models.CharField(max_length=100)
    commit = models.CharField(max_length=64)
    position = models.PositiveIntegerField()

    class Meta:
        app_label = "bench"

    def __str__(self) -> str:
        return self.title
