"""The forms of names and labels, with the words in which the API refuses others."""

import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"

_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
    " and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc',"
    f" regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    f" for validation is '{_LABEL}(\\.{_LABEL})*')"
)
_QUALIFIED_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    f" validation is '{_QUALIFIED}')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',"
    f"  or '12345', regex used for validation is '(({_QUALIFIED})?')"
).replace("'((", "'(")
_CONFIG_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    " (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is"
    " '[-._a-zA-Z0-9]+')"
)
_PORT_NAME_RULES = (
    (r"[-a-z0-9]+", "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"),
    (r".*[a-z].*", "must contain at least one letter (a-z)"),
    (r"(?!.*--).*", "must not contain consecutive hyphens"),
    (r"(?!-).*(?<!-)", "must not begin or end with a hyphen"),
)


def _longer(limit: int) -> str:
    return f"must be no more than {limit} characters"


def label_errors(text: str) -> list[str]:
    """DNS-1123 label."""
    errors = [_longer(63)] if len(text) > 63 else []
    return errors if re.fullmatch(_LABEL, text) else [*errors, _LABEL_RULE]


def subdomain_errors(text: str) -> list[str]:
    """DNS-1123 subdomain."""
    errors = [_longer(253)] if len(text) > 253 else []
    return errors if re.fullmatch(_SUBDOMAIN, text) else [*errors, _SUBDOMAIN_RULE]


def qualified_name_errors(text: str) -> list[str]:
    """A label or annotation key: an optional DNS prefix, a slash, a name."""
    parts = text.split("/")
    if len(parts) > 2:
        return [
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must"
            " start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or"
            f" '123-abc', regex used for validation is '{_QUALIFIED}') with an optional DNS"
            " subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    errors = []
    if len(parts) == 2:
        errors = _prefix_errors(parts[0])
    name = parts[-1]
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > 63:
        errors.append(f"name part {_longer(63)}")
    return errors if re.fullmatch(_QUALIFIED, name) else [*errors, _QUALIFIED_RULE]


def _prefix_errors(prefix: str) -> list[str]:
    if not prefix:
        return ["prefix part must be non-empty"]
    return [f"prefix part {error}" for error in subdomain_errors(prefix)]


def label_value_errors(text: str) -> list[str]:
    errors = [_longer(63)] if len(text) > 63 else []
    return errors if re.fullmatch(_VALUE, text) else [*errors, _VALUE_RULE]


def config_key_errors(text: str) -> list[str]:
    """A key of a Secret or ConfigMap."""
    errors = [_longer(253)] if len(text) > 253 else []
    if not re.fullmatch("[-._a-zA-Z0-9]+", text):
        return [*errors, _CONFIG_KEY_RULE]
    if text == ".":
        return [*errors, "must not be '.'"]
    if text == "..":
        return [*errors, "must not be '..'"]
    return [*errors, "must not start with '..'"] if text.startswith("..") else errors


def port_name_errors(text: str) -> list[str]:
    """IANA service name."""
    errors = ["must be no more than 15 characters"] if len(text) > 15 else []
    return errors + [rule for form, rule in _PORT_NAME_RULES if not re.fullmatch(form, text)]


def env_name_errors(text: str) -> list[str]:
    """Any printable ASCII but '=', as the API has it since 1.32."""
    if not text:
        return ["environment variable name must not be empty"]
    if re.fullmatch(r"[ -<>-~]+", text):
        return []
    return [
        "a valid environment variable name must consist only of printable ASCII characters other"
        " than '='"
    ]
