#!/usr/bin/env python3
"""Runs commands in a terminal and writes what they showed as an SVG: the recordings in README and docs.

    scripts/record.py OUT.svg [--columns 100] [--fold FIRST,LAST]... COMMAND...

Each COMMAND is one argument and is run by bash in the current directory. The n-th --fold keeps the first FIRST
and the last LAST lines of the n-th command's output. Needs Python's standard library only.
"""
import argparse
import html
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import fcntl

CELL_W, CELL_H, FONT = 7.8, 17, 13
FOREGROUND, BACKGROUND, PROMPT = "#d6deeb", "#0b1220", "#7fdbca"
BASIC = ["#0b1220", "#ef5350", "#22da6e", "#c5e478", "#82aaff", "#c792ea", "#21c7a8", "#d6deeb",
         "#637777", "#ef5350", "#22da6e", "#ffeb95", "#82aaff", "#c792ea", "#7fdbca", "#ffffff"]


def run(command, columns):
    """The bytes that `command` wrote to a terminal of that width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = dict(os.environ, TERM="xterm-256color", COLORTERM="truecolor", COLUMNS=str(columns))
    child = subprocess.Popen(["bash", "-c", command], stdin=slave, stdout=slave, stderr=slave,
                             env=environment, close_fds=True)
    os.close(slave)
    output = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # Linux says EIO when the child has closed its side
            break
        if not chunk:
            break
        output += chunk
    status = child.wait()
    os.close(master)
    if status:
        sys.exit(f"{command}: status {status}\n{output.decode(errors='replace')[-2000:]}")
    return output.decode("utf-8", "replace")


def colour_256(n):
    if n < 16:
        return BASIC[n]
    if n >= 232:
        return "#" + f"{8 + 10 * (n - 232):02x}" * 3
    n -= 16
    levels = [0, 95, 135, 175, 215, 255]
    return "#" + "".join(f"{levels[i]:02x}" for i in (n // 36, n // 6 % 6, n % 6))


def set_style(style, codes):
    """A new style (foreground, background, bold) after one SGR sequence."""
    front, back, bold = style
    codes = [int(c or 0) for c in codes.split(";")]
    i = 0
    while i < len(codes):
        c = codes[i]
        if c == 0:
            front, back, bold = FOREGROUND, None, False
        elif c == 1:
            bold = True
        elif c == 22:
            bold = False
        elif c == 39:
            front = FOREGROUND
        elif c == 49:
            back = None
        elif 30 <= c <= 37 or 90 <= c <= 97:
            front = BASIC[c - 30 if c < 90 else c - 82]
        elif c in (38, 48) and i + 1 < len(codes):
            if codes[i + 1] == 2:
                colour, used = "#%02x%02x%02x" % tuple(codes[i + 2:i + 5]), 4
            else:
                colour, used = colour_256(codes[i + 2]), 2
            front, back = (colour, back) if c == 38 else (front, colour)
            i += used
        i += 1
    return front, back, bold


def screen(text):
    """Lines of (character, style): what is left on the screen, without its height."""
    plain = (FOREGROUND, None, False)
    lines, row, column, style = [[]], 0, 0, plain
    for token in re.finditer(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[()][A-Z0-9]|(.)", text, re.S):
        codes, kind, character = token.groups()
        if kind == "m":
            style = set_style(style, codes)
        elif kind == "K":
            del lines[row][column:]
        elif kind == "A":
            row = max(0, row - int(codes or 1))
        elif character == "\r":
            column = 0
        elif character == "\n":
            row += 1
            column = 0
            if row == len(lines):
                lines.append([])
        elif character and character >= " ":
            line = lines[row]
            line.extend([(" ", plain)] * (column + 1 - len(line)))
            line[column] = (character, style)
            column += 1
    while lines and not lines[-1]:
        lines.pop()
    return lines


def draw(lines, columns):
    width, height = columns * CELL_W + 24, len(lines) * CELL_H + 24
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
           f'viewBox="0 0 {width:.0f} {height:.0f}">',
           f'<style>text{{font:{FONT}px monospace}}rect{{shape-rendering:crispEdges}}</style>',
           f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>']
    for y, line in enumerate(lines):
        x = 0
        while x < len(line):
            character, style = line[x]
            end = x + 1
            # Blocks are drawn as rectangles, so that fonts do not matter.
            same_block = character if character in "▀▄█" else None
            while end < len(line) and line[end][1] == style and \
                    (line[end][0] if line[end][0] in "▀▄█" else None) == same_block:
                end += 1
            left, top, span = 12 + x * CELL_W, 12 + y * CELL_H, (end - x) * CELL_W
            front, back, bold = style
            if back:
                out.append(f'<rect x="{left:.1f}" y="{top}" width="{span:.1f}" height="{CELL_H}" '
                           f'fill="{back}"/>')
            if same_block:
                down, part = {"▀": (0, .5), "▄": (.5, .5), "█": (0, 1)}[same_block]
                out.append(f'<rect x="{left:.1f}" y="{top + down * CELL_H:.1f}" width="{span:.1f}" '
                           f'height="{part * CELL_H:.1f}" fill="{front}"/>')
            else:
                words = "".join(c for c, _ in line[x:end])
                if words.strip():
                    # SVG drops blanks at the ends of a text and joins those within it.
                    skipped = len(words) - len(words.lstrip())
                    words = words.strip()
                    left, span = left + skipped * CELL_W, len(words) * CELL_W
                    words = words.replace(" ", "\u00a0")
                    weight = ' font-weight="bold"' if bold else ""
                    out.append(f'<text x="{left:.1f}" y="{top + 13}" textLength="{span:.1f}" '
                               f'fill="{front}"{weight}>{html.escape(words)}</text>')
            x = end
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--fold", action="append", default=[],
                        help="lines of a command's output to keep at its beginning and end")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    folds = arguments.fold + ["1000,0"] * len(arguments.command)
    lines = []
    for command, fold in zip(arguments.command, folds):
        first, last = (int(n) for n in fold.split(","))
        prompt = [("$", (PROMPT, None, True)), (" ", (FOREGROUND, None, False))]
        lines.append(prompt + [(c, ("#ffffff", None, True)) for c in command])
        shown = screen(run(command, arguments.columns))
        if len(shown) > first + last + 1:
            dots = [(c, (BASIC[8], None, False)) for c in "  ..."]
            shown = shown[:first] + [dots] + shown[len(shown) - last:]
        lines += shown + [[]]
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.write(draw(lines[:-1], arguments.columns))


if __name__ == "__main__":
    main()
