"""Text as a terminal may show it: whatever would move its cursor, change its colours or turn its letters is escaped."""


def printable(text: str) -> str:
    r"""The text, with all characters that are not printable escaped as in Python (ESC is `\x1b`); lines stay lines."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode()
        for letter in text
    )
