#!/usr/bin/env python3
"""Writes so many events: the sample day, over and over, each time with other orders and event ids.

    python3 samples/multiply.py 200000 > many.ndjson

Members and programs are those of the day; its members are enrolled once. The same bytes come out on every machine.
"""

import re
import sys
from pathlib import Path

DAY = Path(__file__).parent / "day.ndjson"
ORDER = r"[A-Z0-9]{8}"
EVENT = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def main(count: int) -> None:
    lines = DAY.read_text().splitlines()
    orders = {order for line in lines for order in re.findall(rf'(?:orders\.|sale-|"orderId":")({ORDER})\b', line)}
    ids = re.compile(rf"\b(?:({'|'.join(sorted(orders))})|({EVENT}))\b")
    members = [line for line in lines if "/crm/members" in line]
    sales = [line for line in lines if "/crm/members" not in line]

    written = 0
    for line in members[:count]:
        print(line)
        written += 1
    day = 0
    while written < count:
        suffix = f"{day:05}"

        def renamed(match: re.Match) -> str:
            order, event = match.groups()
            return order + suffix if order else event[: -len(suffix)] + suffix

        for line in sales[: count - written]:
            print(ids.sub(renamed, line))
        written += len(sales[: count - written])
        day += 1


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("usage: python3 samples/multiply.py COUNT")
    main(int(sys.argv[1]))
