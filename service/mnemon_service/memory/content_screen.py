"""Looks for secrets and personal data in what is to be stored, as the project's content policy says.

The kinds are those with a form that can be recognised and, where there is one, a checksum that tells a hit
from a look-alike: keys of well-known services, private keys, passwords that are named as such, payment cards
(Luhn), e-mail addresses, phone numbers (Google's libphonenumber), IBANs (ISO 7064). Names, addresses and
everything else that takes understanding are not found: a named-entity model (as presidio wraps one) would
need 500 MB and 30 ms a message for a recall of about 0.8, which is no promise to give.

Key forms: the rules of gitleaks (https://github.com/gitleaks/gitleaks, config/gitleaks.toml) and the
services' own documentation. Every pattern is linear in the text's length: all repetitions are bounded or
cannot overlap what follows them.
"""

from __future__ import annotations

import enum
import re
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from phonenumbers import Leniency, PhoneNumberMatcher
from stdnum import iban, luhn

from mnemon_service.model.errors import FailedPrecondition, Reason
from mnemon_service.model.settings import ContentPolicy, ProjectSettings

_log = structlog.get_logger("mnemon.content")


class Kind(enum.StrEnum):
    """What is looked for; the value stands in its place when it is redacted."""

    PRIVATE_KEY = "private key"
    API_KEY = "API key"
    PASSWORD = "password"  # noqa: S105 (a kind)
    IBAN = "bank account"
    CARD = "card number"
    EMAIL = "email address"
    PHONE = "phone number"


@dataclass(frozen=True, slots=True)
class Finding:
    """Where something was found."""

    kind: Kind
    start: int
    end: int


class PolicyScreen:
    """Implements `memory.ports.ContentScreen`."""

    def screen(self, settings: ProjectSettings, texts: Sequence[str]) -> list[str]:
        """The texts as they may be stored. Findings are logged by kind and count, never with the text.

        Raises `FailedPrecondition` (CONTENT_REFUSED) naming the kinds.
        """
        if settings.content_policy is ContentPolicy.OFF:
            return list(texts)
        found = [findings(text) for text in texts]
        counts = Counter(finding.kind for one in found for finding in one)
        if not counts:
            return list(texts)
        named = {kind.value: counts[kind] for kind in Kind if kind in counts}
        _log.info("content screened", policy=settings.content_policy.value, found=named)
        if settings.content_policy is ContentPolicy.REFUSE:
            said = ", ".join(f"{kind} ({count})" for kind, count in named.items())
            raise FailedPrecondition(
                f"the project's content policy refuses what was found: {said}; nothing was stored",
                reason=Reason.CONTENT_REFUSED,
                metadata={"kinds": ",".join(named)},
            )
        return [redacted(text, one) for text, one in zip(texts, found, strict=True)]


def findings(text: str) -> list[Finding]:
    """What was found, in order; where two overlap, the kind that stands first in `Kind` counts."""
    kept: list[Finding] = []
    for look in _LOOKS:
        for finding in look(text):
            place = bisect(kept, finding.start, key=_start)
            after_the_last = place == 0 or kept[place - 1].end <= finding.start
            if after_the_last and (place == len(kept) or finding.end <= kept[place].start):
                kept.insert(place, finding)
    return kept


def _start(finding: Finding) -> int:
    return finding.start


def redacted(text: str, found: Sequence[Finding]) -> str:
    """The text with each finding replaced, as `[redacted email address]`."""
    parts, place = [], 0
    for finding in found:
        parts += [text[place : finding.start], f"[redacted {finding.kind.value}]"]
        place = finding.end
    return "".join([*parts, text[place:]])


_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\s:,.]|-(?!----)){0,20000}"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_API_KEY: Final = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    + "|".join(
        (
            r"mn_[A-Za-z0-9_\-]{24,128}",  # Mnemon
            r"whsec_[A-Za-z0-9+/=]{24,100}",  # Standard Webhooks, Stripe
            r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",  # AWS
            r"AIza[A-Za-z0-9_\-]{35}",  # Google
            r"ya29\.[A-Za-z0-9_\-]{20,512}",  # Google OAuth
            r"gh[pousr]_[A-Za-z0-9]{36,255}",  # GitHub
            r"github_pat_[A-Za-z0-9_]{22,255}",
            r"gl(?:pat|dt|rt|oas|ptt|ft|cbt|imt|soat)-[A-Za-z0-9_\-]{20,300}",  # GitLab
            r"xox[abeoprs]-[A-Za-z0-9\-]{10,250}",  # Slack
            r"xapp-\d-[A-Z0-9]{1,30}-\d{1,20}-[a-z0-9]{1,100}",
            r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,255}",  # Stripe
            r"sk-(?:ant|proj|svcacct|admin)-[A-Za-z0-9_\-]{20,255}",  # Anthropic, OpenAI
            r"sk-[A-Za-z0-9]{20,255}",
            r"hf_[A-Za-z0-9]{30,100}",  # Hugging Face
            r"npm_[A-Za-z0-9]{36}",
            r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_\-]{50,1000}",
            r"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{32,64}",  # SendGrid
            r"SK[0-9a-f]{32}",  # Twilio
            r"do[opr]_v1_[a-f0-9]{64}",  # DigitalOcean
            r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",  # Shopify
            r"eyJ[A-Za-z0-9_\-]{10,4000}\.eyJ[A-Za-z0-9_\-]{10,4000}\.[A-Za-z0-9_\-]{10,2000}",  # JWT
        )
    )
    + r")(?![A-Za-z0-9_])"
)
_NAMED_SECRET: Final = re.compile(
    r"(?i)\b(?:password|passwort|passwd|pwd|passphrase|passcode|contraseña|mot de passe|"
    r"(?:api|access|secret|client)[_ -]?(?:key|token|secret))\b"
    r"(?:\s{0,3}[:=]\s{0,3}|\s{1,3}(?:is|ist|es|est)\s{1,3})"
    r"[\"'`]?(?P<secret>[^\s\"'`,;]{6,200})"
)
_IN_URL: Final = re.compile(r"\b[a-z][a-z0-9+.\-]{1,30}://[^\s:/@]{1,200}:(?P<secret>[^\s/@]{1,200})@")
_CARD: Final = re.compile(r"(?<![\d.\-])[2-6]\d{3}(?:[ \-]?\d){9,15}(?![\d\-])")
_IBAN_START: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?= ?[A-Z0-9])")
_IBAN_LENGTHS: Final = range(15, 35)
_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
PHONE_TRIES: Final = 1_000
"""Look-alikes of phone numbers that are examined in one text, 12 µs each: a text full of digits must not keep
the server busy. A real number after so many look-alikes is not found."""
_MANY_DIGITS: Final = re.compile(r"\d(?:[ ().\-/]{0,3}\d){6}")
_PHONE_FORMS: Final = ((None, Leniency.VALID), ("US", Leniency.STRICT_GROUPING))
"""International numbers in any form; national ones of North America if they are grouped as such."""


def _matches(
    pattern: re.Pattern[str], kind: Kind, group: str | int = 0
) -> Callable[[str], Iterator[Finding]]:
    def look(text: str) -> Iterator[Finding]:
        for match in pattern.finditer(text):
            yield Finding(kind, *match.span(group))

    return look


def _named_secrets(text: str) -> Iterator[Finding]:
    """A word after "password:" that is no plain word: it has a digit or a sign in it."""
    for match in _NAMED_SECRET.finditer(text):
        secret = match["secret"].rstrip(".!?)")
        if not secret.isalpha():
            start = match.start("secret")
            yield Finding(Kind.PASSWORD, start, start + len(secret))


def _cards(text: str) -> Iterator[Finding]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"[ \-]", "", match[0])
        if luhn.is_valid(digits) and len(set(digits)) > 1:
            yield Finding(Kind.CARD, *match.span())


def _ibans(text: str) -> Iterator[Finding]:
    """The longest valid account number at each place that may begin one; spaces may group it."""
    for match in _IBAN_START.finditer(text):
        for end in reversed(_checked_ends(text, match.start())):
            if iban.is_valid(text[match.start() : end]):
                yield Finding(Kind.IBAN, match.start(), end)
                break


def _checked_ends(text: str, start: int) -> list[int]:
    """Where an account number that begins there may end so that ISO 7064's checksum (mod 97) is right."""
    head = int("".join(str(int(character, 36)) for character in text[start : start + 4]))
    ends, place, rest, length = [], start + 4, 0, 4
    while length < _IBAN_LENGTHS[-1] and place < len(text):
        character = text[place]
        place += 1
        if character == " ":
            continue
        if not (character.isascii() and (character.isdigit() or character.isupper())):
            break
        value, length = int(character, 36), length + 1
        rest = (rest * (100 if value > 9 else 10) + value) % 97
        if length >= _IBAN_LENGTHS[0] and (rest * 1_000_000 + head) % 97 == 1:
            ends.append(place)
    return ends


def _phones(text: str) -> Iterator[Finding]:
    if not _MANY_DIGITS.search(text):
        return
    for region, leniency in _PHONE_FORMS:
        for match in PhoneNumberMatcher(text, region, leniency, PHONE_TRIES):
            yield Finding(Kind.PHONE, match.start, match.end)


_LOOKS: Final = (
    _matches(_PRIVATE_KEY, Kind.PRIVATE_KEY),
    _matches(_API_KEY, Kind.API_KEY),
    _named_secrets,
    _matches(_IN_URL, Kind.PASSWORD, "secret"),
    _ibans,
    _cards,
    _matches(_EMAIL, Kind.EMAIL),
    _phones,
)
