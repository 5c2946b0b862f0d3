"""RE2 patterns (Go's syntax) to Python's `re`, for `upstream.ignorePaths`.

Most of RE2's syntax means the same in Python. What differs is translated (`$`, `\\z`, `\\Q..\\E`, `[[:digit:]]`, `(?<name>`,
`\\x{..}`, flags in the middle); what RE2 does not have (look-around, back-references, possessive repeats, comments) is
refused, as llama-swap does, and so are the rare `\\p` classes and the flag U.
"""

from __future__ import annotations

import re

POSIX_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"!-\~",
    "lower": "a-z",
    "print": r" -\~",
    "punct": r"!-/:-@\[-`{-\~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
POSIX_CLASS = re.compile(r"\[:(\w+):\]")
GROUP = re.compile(r"\(\?(?:P?<(?P<name>[A-Za-z_]\w*)>|(?P<flags>[ims]*(?:-[ims]+)?)(?P<end>[:)]))")
REPEAT = re.compile(r"[*+?]|\{(\d+)(?:,(\d*))?\}")
CHARACTER_CODE = re.compile(r"x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]{1,6})\}|(0[0-7]{0,2}|[1-7][0-7]{1,2})")
MAX_REPEAT = 1000  # RE2's own bound
MAX_NESTING = 100


class PatternError(ValueError):
    """Why a pattern is refused; reads on after the pattern's text."""


def to_python(pattern: str) -> str:
    """The pattern for `re.compile`, to be used with `search`. Raises PatternError."""
    translated = Translator(pattern).translate()
    # In RE2 \d, \w, \s and \b know ASCII only.
    translated = f"(?a){translated}" if re.search(r"\\[bBdDsSwW]", translated) else translated
    try:
        re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"is not a regular expression: {error}") from None
    return translated


class Translator:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0

    def translate(self) -> str:
        translated = self.group_body(multiline=False, depth=0)
        if self.at < len(self.text):
            raise PatternError("has a ) without a (")
        return translated

    def group_body(self, *, multiline: bool, depth: int) -> str:
        """Up to the group's closing parenthesis or the end."""
        if depth > MAX_NESTING:
            raise PatternError(f"has more than {MAX_NESTING} groups inside each other")
        parts: list[str] = []
        flags: list[str] = []  # a bare (?i) reaches to the group's end, over each |: Python needs scoped groups for that
        repeatable = False
        while self.at < len(self.text) and self.text[self.at] != ")":
            character = self.text[self.at]
            if repeat := REPEAT.match(self.text, self.at):
                parts.append(self.repeat(repeat, repeatable=repeatable))
                repeatable = False
                continue
            repeatable = True
            if character == "(":
                opened, bare, lines = self.open_group(multiline)
                if bare:
                    multiline = lines
                    flags.append(opened)
                    parts.append(opened)
                    repeatable = False
                else:
                    parts.append(opened + self.group_body(multiline=lines, depth=depth + 1) + self.close_group())
            elif character == "|":
                self.at += 1
                parts.append(")" * len(flags) + "|" + "".join(flags))
                repeatable = False
            else:
                parts.append(self.single(character, multiline))
        return "".join(parts) + ")" * len(flags)

    def single(self, character: str, multiline: bool) -> str:
        if character == "\\":
            return self.escape()
        if character == "[":
            return self.character_class()
        self.at += 1
        if character == "$":
            return "$" if multiline else r"\Z"
        return r"\{" if character == "{" else character

    def repeat(self, found: re.Match[str], *, repeatable: bool) -> str:
        if not repeatable:
            raise PatternError(f"has nothing that {found[0]} could repeat (column {self.at})")
        if any(int(number) > MAX_REPEAT for number in found.groups() if number):
            raise PatternError(f"repeats more than {MAX_REPEAT} times")
        self.at = found.end()
        if self.text.startswith("?", self.at):
            self.at += 1
            return found[0] + "?"
        return found[0]

    def open_group(self, multiline: bool) -> tuple[str, bool, bool]:
        """Python's text for the opening, whether it is a bare flag setting, and whether `$` ends lines inside."""
        if not self.text.startswith("(?", self.at):
            self.at += 1
            return "(", False, multiline
        found = GROUP.match(self.text, self.at)
        if found is None:
            start = self.text[self.at : self.at + 4]
            raise PatternError(f"uses {start}, which RE2 does not have (no look-around, no back-references)")
        self.at = found.end()
        if found["name"]:
            return f"(?P<{found['name']}>", False, multiline
        on, _, off = found["flags"].partition("-")
        lines = (multiline or "m" in on) and "m" not in off
        return f"(?{found['flags']}:", found["end"] == ")", lines

    def close_group(self) -> str:
        if self.at >= len(self.text):
            raise PatternError("has a ( that is not closed")
        self.at += 1
        return ")"

    def escape(self) -> str:
        """One escape outside a class."""
        following = self.text[self.at + 1 : self.at + 2]
        if following and following in "AbB":
            self.at += 2
            return f"\\{following}"
        if following == "z":
            self.at += 2
            return r"\Z"
        if following == "C":
            self.at += 2
            return "(?s:.)"
        if following == "Q":
            end = self.text.find("\\E", self.at)
            literal = self.text[self.at + 2 : end if end >= 0 else len(self.text)]
            self.at = end + 2 if end >= 0 else len(self.text)
            return f"(?:{re.escape(literal)})"
        return self.character()[0]

    def character(self) -> tuple[str, bool]:
        """An escape that stands for characters: Python's text, and whether it is a single one."""
        start = self.at + 1
        following = self.text[start : start + 1]
        code = CHARACTER_CODE.match(self.text, start)
        if code:
            self.at = code.end()
            number = int(code[3], 8) if code[3] else int(code[1] or code[2], 16)
            if number > 0x10FFFF:
                raise PatternError("names a character beyond U+10FFFF")
            return re.escape(chr(number)), True
        self.at = start + 1
        if following and following in "dDsSwW":
            return f"\\{following}", False
        if following and following in "afnrtv":
            return f"\\{following}", True
        if not following or following.isalnum():
            what = "a back-reference" if following.isdecimal() else f"\\{following}"
            raise PatternError(f"uses {what}, which is not supported")
        return re.escape(following), True

    def character_class(self) -> str:
        start = self.at
        self.at += 1
        parts = ["["]
        if self.text.startswith("^", self.at):
            parts.append("^")
            self.at += 1
        first = True
        while first or not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                raise PatternError(f"has a [ that is not closed (column {start})")
            parts.append(self.class_range())
            first = False
        self.at += 1
        return "".join(parts) + "]"

    def class_range(self) -> str:
        if named := POSIX_CLASS.match(self.text, self.at):
            if named[1] not in POSIX_CLASSES:
                raise PatternError(f"uses the unknown class {named[0]}")
            self.at = named.end()
            return POSIX_CLASSES[named[1]]
        low, single = self.class_character()
        if single and self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
            self.at += 1
            high, single = self.class_character()
            if not single:
                raise PatternError(f"has a range that ends in {high}")
            return f"{low}-{high}"
        return low

    def class_character(self) -> tuple[str, bool]:
        if self.text.startswith("\\", self.at):
            return self.character()
        if self.at >= len(self.text):
            raise PatternError("has a [ that is not closed")
        self.at += 1
        # Escaped whatever it is: Python warns of set operations (`--`, `&&`, a nested `[`) that RE2 does not know.
        return re.escape(self.text[self.at - 1]), True


def to_re2(pattern: str) -> str:
    """A pattern made by `to_python`, in RE2's spelling again."""
    return re.sub(r"\\(.)", lambda found: r"\z" if found[1] == "Z" else found[0], pattern.removeprefix("(?a)"), flags=re.S)
