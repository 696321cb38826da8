"""An operator's account, without a question asked."""

import sys
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Create a superuser, or give an existing one a new password, read from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True)
        parser.add_argument("--password-stdin", action="store_true", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        password = sys.stdin.readline().strip()
        try:
            validate_password(password)
        except ValidationError as error:
            raise CommandError(f"The password will not do: {' '.join(error.messages)}") from None
        user, made = User.objects.get_or_create(username=options["name"])
        user.is_staff = user.is_superuser = True
        user.set_password(password)
        user.save(update_fields=["is_staff", "is_superuser", "password"])
        self.stdout.write(f"{'Created' if made else 'Changed'} {user.username}.")
