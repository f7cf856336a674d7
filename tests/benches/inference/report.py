"""Rows of what was measured, and the table of them."""

import dataclasses
import os
import pathlib
import platform
import statistics


@dataclasses.dataclass
class Row:
    """One measurement of both sides, round by round in the same order."""

    part: str
    what: str
    unit: str
    ours: list
    theirs: list
    against: str
    """Who the other side is."""
    aim: tuple | None = None
    """("ratio" or "value", ">=", "<=" or "within", number)."""

    def ratios(self):
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs) if theirs]

    def reached(self):
        """Whether the median is where it should be; None where there is no aim."""
        if not self.aim:
            return None
        of, how, bound = self.aim
        value = statistics.median(self.ratios() if of == "ratio" else self.ours)
        return {">=": value >= bound, "<=": value <= bound, "within": abs(value - 1) <= bound}[how]

    def cells(self):
        aim = ""
        if self.aim:
            of, how, bound = self.aim
            words = {">=": f"≥ {bound:g}", "<=": f"≤ {bound:g}", "within": f"1 ± {bound:g}"}[how]
            aim = f"{words} {'×' if of == 'ratio' else self.unit} {'✓' if self.reached() else '✗'}"
        theirs = f"{spread(self.theirs)} {self.against}" if self.theirs else ""
        ratio = spread(self.ratios(), 3 if self.aim and self.aim[1] == "within" else 2) if self.theirs else ""
        return [self.part, self.what, self.unit, spread(self.ours), theirs, ratio, aim]


HEAD = ["", "", "unit", "Ponto", "against", "ratio", "aim"]


def number(value, decimals=None):
    if decimals is None:
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{decimals}f}"


def spread(values, decimals=None):
    """The median, with the smallest and the largest where there are several."""
    middle = number(statistics.median(values), decimals)
    if len(values) == 1:
        return middle
    return f"{middle} ({number(min(values), decimals)}–{number(max(values), decimals)})"


def plain(rows):
    table = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table)


def markdown(rows):
    line = lambda cells: f"| {' | '.join(cells)} |"
    return "\n".join([line(HEAD), f"|{'---|' * len(HEAD)}", *(line(row.cells()) for row in rows)])


def machine():
    """What the figures were measured on, in a line."""
    processor, memory = platform.processor() or platform.machine(), ""
    try:
        info = pathlib.Path("/proc/cpuinfo").read_text()
        fields = dict(line.split(":", 1) for line in info.split("\n\n")[0].splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in fields.items()}
        flags = fields.get("flags", "").split()
        known = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_vnni": "AVX-512 VNNI", "amx_int8": "AMX"}
        processor = fields.get("model name", processor) + "".join(f", {known[flag]}" for flag in known if flag in flags)
        kilobytes = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
        memory = f", {kilobytes / 1e6:.0f} GB"
    except (OSError, ValueError):
        pass  # not Linux: less is known
    return f"{os.cpu_count()} cores of {processor}{memory}, {platform.system()} {platform.release()}"
