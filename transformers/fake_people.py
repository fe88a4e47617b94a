"""Invented people for test samples: the same key gives the same person, every time and everywhere."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

# Names that nobody has: a reader sees at once that this is a sample, and none can be a patient's by chance.
_FAMILIES = ("Amostral", "Exemplar", "Ficticion", "Imaginário", "Inventel", "Modelino", "Ninguenski", "Postiçal",
             "Provisorim", "Simulacro", "Testolin", "Virtualdo", "Pseudônico", "Hipotético", "Genericus")  # fmt: skip
_GIVEN = ("Abelúnio", "Brisolda", "Cremildo", "Dorvânia", "Eufrônio", "Fulgêncio", "Gertrulda", "Hermindo", "Isolvina",
          "Juventino", "Leovânia", "Mirandolo", "Nerilda", "Osmindo", "Perpétula", "Quirilda", "Rosindo")  # fmt: skip
_STREETS = ("Rua do Exemplo", "Avenida da Amostra", "Travessa do Modelo", "Alameda da Ficção", "Praça do Ensaio")
_CITIES = ("Exemplópolis", "Vila Amostra", "Porto Fictício", "Santa Simulação", "Modelândia")
_WORDS = ("exemplo", "de", "texto", "sem", "sentido", "para", "testes", "somente", "aqui", "nada", "importa")

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Faker:
    """Gives invented values for real ones, by a secret key: who lacks it cannot find the way back."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def number(self, *about: str) -> int:
        """Return a number of 256 bits that stands for these texts."""
        message = "\x1f".join(about).encode()
        return int.from_bytes(hmac.new(self._key, message, hashlib.sha256).digest())

    def one_of(self, choices: Sequence[str], *about: str) -> str:
        """Return one of the choices."""
        return choices[self.number(*about) % len(choices)]

    def family(self, who: str) -> str:
        """Return a family name."""
        return f"{self.one_of(_FAMILIES, 'family', who)} {self.one_of(_FAMILIES, 'second family', who)}"

    def given(self, who: str, position: int) -> str:
        """Return one of a person's given names."""
        return self.one_of(_GIVEN, "given", who, str(position))

    def street(self, who: str, position: int) -> str:
        """Return a line of an address."""
        return f"{self.one_of(_STREETS, 'street', who)} {self.number('house', who, str(position)) % 900 + 100}"

    def city(self, who: str) -> str:
        """Return a city that does not exist."""
        return self.one_of(_CITIES, "city", who)

    def words(self, text: str) -> str:
        """Return a text that says nothing, of about the same length and with as many lines."""
        lines = []
        for number, line in enumerate(text.split("\n")):
            first = self.number("words", text, str(number))
            count = max(1, len(line.split()))
            lines.append(
                " ".join(_WORDS[(first + position) % len(_WORDS)] for position in range(count)) if line else ""
            )
        return "\n".join(lines)

    def shaped(self, text: str) -> str:
        """Return another text of the same shape: digits for digits, letters for letters, the rest as it is.

        A text of hexadecimal digits stays one. The first digit is not 0 where it was not.
        """
        seed = self.number("shaped", text)
        hexadecimal = _is_hexadecimal(text)
        out: list[str] = []
        for character in text:
            if character.isdigit():
                digit, seed = seed % 10, seed // 10 or self.number("more", text, str(len(out)))
                starts = character != "0" and not any(c.isdigit() for c in out)
                out.append(str(digit or 1) if starts else str(digit))
            elif character.isalpha():
                size = 6 if hexadecimal else 26
                letter, seed = _LETTERS[seed % size], seed // size or self.number("more", text, str(len(out)))
                out.append(letter.upper() if character.isupper() else letter)
            else:
                out.append(character)
        made = "".join(out)
        return made if made != text or not any(c.isalnum() for c in text) else self.shaped(f"{text}\x00").rstrip("\x00")

    def days(self, who: str) -> int:
        """Return by how many days a person's dates move: whole weeks, at least four, at most two years back."""
        return -7 * (4 + self.number("days", who) % 100)


def _is_hexadecimal(text: str) -> bool:
    """Say whether a text is a UUID or another run of hexadecimal digits with hyphens."""
    digits = text.replace("-", "")
    return len(digits) >= 16 and all(character in "0123456789abcdefABCDEF" for character in digits)
