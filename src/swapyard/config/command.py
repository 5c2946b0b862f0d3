"""A command line to its arguments, as llama-swap splits it. No shell, and not `shlex`.

A line whose first character is `#` is no part of the command. A backslash at a line's end joins it with the next one. POSIX
and Windows differ in quotes and backslashes; `platform` is `sys.platform`'s word for where the command will run.
"""

from __future__ import annotations


def split_command(text: str, platform: str) -> list[str]:
    """The arguments; empty for an empty command. An unterminated quote takes the rest (see `unterminated_quote`)."""
    return split(text, platform)[0]


def unterminated_quote(text: str, platform: str) -> str | None:
    """The quote character that is opened and never closed."""
    return split(text, platform)[1]


def split(text: str, platform: str) -> tuple[list[str], str | None]:
    joined = join_lines(drop_comment_lines(text))
    return split_windows(joined) if platform == "win32" else split_posix(joined)


def drop_comment_lines(text: str) -> str:
    if "#" not in text:
        return text
    return "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))


def comment_inside_quotes(text: str, platform: str) -> bool:
    """Whether a line that is dropped as a comment stands inside a quoted argument."""
    if "#" not in text or not ("'" in text or '"' in text):
        return False
    before: list[str] = []
    for line in text.split("\n"):
        if line.lstrip().startswith("#"):
            if split("\n".join(before), platform)[1]:
                return True
        else:
            before.append(line)
    return False


def join_lines(text: str) -> str:
    """Line ends behind a backslash become blanks; blanks after that backslash are tolerated."""
    if "\\" not in text:
        return text
    lines = []
    for line in text.split("\n"):
        trimmed = line.strip()
        lines.append(trimmed[:-1] + " " if trimmed.endswith("\\") else line)
    return "\n".join(lines)


def split_posix(text: str) -> tuple[list[str], str | None]:
    """Single quotes are literal; in double quotes a backslash escapes only `$`, backquote, `"` and itself; elsewhere it
    takes the next character as it is."""
    if not ("'" in text or '"' in text or "\\" in text):
        return [word for word in text.replace("\t", " ").replace("\n", " ").split(" ") if word], None
    arguments: list[str] = []
    word: list[str] | None = None  # None: between words, so that "" makes an empty argument
    quote: str | None = None
    position, end = 0, len(text)
    while position < end:
        character = text[position]
        position += 1
        if quote is None and character in " \t\n":
            if word is not None:
                arguments.append("".join(word))
            word = None
            continue
        if character == "\\" and quote != "'":
            if word is None and text[position : position + 1] in ("", "\n"):
                position += 1
                continue
            word = [] if word is None else word
            following = text[position : position + 1]
            position += 1
            if following == "\n" or (quote is None and not following):
                continue
            word.append(following if quote is None or following in ("$", "`", '"', "\\") else "\\" + following)
            continue
        word = [] if word is None else word
        if quote is None and character in "'\"":
            quote = character
        elif character == quote:
            quote = None
        else:
            word.append(character)
    if word is not None:
        arguments.append("".join(word))
    return arguments, quote


def split_windows(text: str) -> tuple[list[str], str | None]:
    """The rules of Microsoft's C runtime: only double quotes quote, and backslashes matter only in front of them."""
    arguments: list[str] = []
    word: list[str] | None = None
    quoted = False
    position, end = 0, len(text)
    while position < end:
        character = text[position]
        if not quoted and character in " \t\r\n":
            if word is not None:
                arguments.append("".join(word))
            word = None
            position += 1
            continue
        word = [] if word is None else word
        if character == "\\":
            start = position
            while position < end and text[position] == "\\":
                position += 1
            count = position - start
            if text[position : position + 1] == '"':
                word.append("\\" * (count // 2))
                if count % 2:
                    word.append('"')
                    position += 1
            else:
                word.append("\\" * count)
            continue
        position += 1
        if character != '"':
            word.append(character)
        elif quoted and text[position : position + 1] == '"':
            word.append('"')
            position += 1
        else:
            quoted = not quoted
    if word is not None:
        arguments.append("".join(word))
    return arguments, '"' if quoted else None
