"""AMD GPUs by rocm-smi, for machines without LACT."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from swapyard.observe.system.readings import number, pci_address, percent, text, whole
from swapyard.observe.system.samples import Gpu, GpuProcess, SourceProblem
from swapyard.observe.system.tool import Tool

QUERY = ("-i", "-P", "-t", "-f", "-u", "--showbus", "--showmemuse", "--showmeminfo", "vram", "--showproductname", "--csv")
LIMIT = 5.0
_POWER = ("current socket graphics package power (w)", "average graphics package power (w)")


class RocmSmi:
    name = "rocm-smi"

    def __init__(self) -> None:
        self._tool = Tool("rocm-smi", limit=LIMIT)

    def sample(self) -> list[Gpu]:
        gpus = parse_gpus(self._tool.ask(QUERY))
        if not gpus:
            raise SourceProblem("lists no GPU")
        return gpus

    def processes(self) -> list[GpuProcess]:
        return []  # it tells memory per process, but not on which GPU

    def close(self) -> None:
        self._tool.close()


def cards(output: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of each card and its fields by lower-case column name: releases differ in case. Of columns with the same
    name the first with a value counts. Warnings around the table, and rows that do not fit it, are passed over."""
    header: list[str] = []
    for line in output.splitlines():
        fields = [field.strip() for field in next(csv.reader([line]), [])]
        if fields and fields[0].lower() == "device":
            header = [name.lower() for name in fields]
        elif header and len(fields) == len(header) and fields[0].startswith("card") and fields[0][4:].isdecimal():
            row: dict[str, str] = {}
            for name, value in zip(header, fields, strict=True):
                if not row.get(name):
                    row[name] = text(value)
            yield int(fields[0][4:]), row


def parse_gpus(output: str) -> list[Gpu]:
    found = []
    for index, row in cards(output):
        model = row.get("card series") or row.get("device name") or ""
        gfx = row.get("gfx version", "")
        found.append(
            Gpu(
                id=index,
                name=f"{model} card{index}" + (f" ({gfx})" if gfx else "") if model else f"card{index}",
                source=RocmSmi.name,
                uuid=row.get("guid", ""),
                pci=pci_address(row.get("pci bus")),
                temperature=number(row.get("temperature (sensor edge) (c)")),
                memory_temperature=number(row.get("temperature (sensor memory) (c)")),
                utilization=percent(row.get("gpu use (%)")),
                memory_used=whole(row.get("vram total used memory (b)")),
                memory_total=whole(row.get("vram total memory (b)")) or None,
                fan=percent(row.get("fan speed (%)")),
                power=next((watts for name in _POWER if (watts := percent(row.get(name))) is not None), None),
            )
        )
    return found
