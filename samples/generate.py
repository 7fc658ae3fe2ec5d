#!/usr/bin/env python3
"""Makes samples/day.ndjson: a day of sales in Norwegian public transport, one event a line.

    python3 samples/generate.py > samples/day.ndjson     writes the day
    python3 samples/generate.py --check                  fails unless day.ndjson is what this makes

The same bytes come out on every machine: the only source of chance is the generator below, and nothing asks for the
time. Customers, orders and trips are made up; the ids have the form that such ids have at Entur.

A line is what `farelog publish` takes (see `farelog publish --help`): sales in the app come as CloudEvents in structured mode, sales
in the web shop as domain events, validators and ticket machines as CloudEvents in binary mode.
"""

import base64
import json
import sys
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.dont_write_bytecode = True  # the folder holds samples only

from stories import told_stories  # noqa: E402

DAY = datetime(2026, 1, 15, tzinfo=timezone.utc)
FILE = Path(__file__).parent / "day.ndjson"

PRODUCTS = {
    # id: (type, name, price of an adult)
    "ENT:PreassignedFareProduct:AdultSingle": ("SINGLE", "Enkeltbillett voksen", 42),
    "ENT:PreassignedFareProduct:ChildSingle": ("SINGLE", "Enkeltbillett barn", 21),
    "ENT:PreassignedFareProduct:SeniorSingle": ("SINGLE", "Enkeltbillett honnør", 21),
    "ENT:PreassignedFareProduct:StudentSingle": ("SINGLE", "Enkeltbillett student", 34),
    "ENT:PreassignedFareProduct:AdultPeriod30Days": ("PERIOD", "30-dagersbillett voksen", 897),
    "ENT:PreassignedFareProduct:StudentPeriod30Days": ("PERIOD", "30-dagersbillett student", 538),
    "ENT:PreassignedFareProduct:SeniorPeriod30Days": ("PERIOD", "30-dagersbillett honnør", 449),
    "ENT:PreassignedFareProduct:NightTrainSleeper": ("SINGLE", "Soveplass nattog", 1090),
    "ENT:PreassignedFareProduct:GroupSingle": ("GROUP", "Gruppebillett", 336),
    "ENT:PreassignedFareProduct:Carnet10": ("CARNET", "Klippekort 10 turer", 378),
    "ENT:SupplementProduct:Bicycle": ("SUPPLEMENT", "Sykkel", 0),
    "ENT:SupplementProduct:SeatReservation": ("SUPPLEMENT", "Plassreservasjon", 0),
}
TRAINS = [
    # from, to, adult fare, minutes on the way
    ("NSR:StopPlace:59872", "NSR:StopPlace:59983", "399.00", 400),
    ("NSR:StopPlace:59872", "NSR:StopPlace:59977", "549.00", 395),
    ("NSR:StopPlace:59872", "NSR:StopPlace:59706", "289.00", 145),
    ("NSR:StopPlace:59977", "NSR:StopPlace:59872", "499.00", 395),
]
STOPS = [f"NSR:StopPlace:{number}" for number in (59872, 58366, 6505, 4089, 58404, 5920, 3990, 59977, 59983, 58195)]
USERS = ["ADULT", "ADULT", "ADULT", "STUDENT", "SENIOR", "CHILD"]
ORGANISATIONS = {"App": 1, "Web": 2, "Machine": 3}
CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"


class Chance:
    """A linear congruential generator (Knuth's MMIX constants): the same numbers everywhere, for ever."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % bound

    def pick(self, values):
        return values[self.below(len(values))]

    def holds(self, percent):
        return self.below(100) < percent


class Day:
    """What is published in the course of the day: lines with the time at which they reach the stream."""

    def __init__(self):
        self.chance = Chance(20260115)
        self.lines = []
        self.ids = 0

    def put(self, arrival, line):
        self.lines.append((arrival, len(self.lines), line))

    def new_id(self):
        self.ids += 1
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"farelog-sample-{self.ids}"))

    def order(self, at, code=None, **how):
        return Order(self, at, code, **how)

    def structured(self, source, kind, at, data, correlation):
        """A CloudEvent whole in the body."""
        event = {"specversion": "1.0", "id": self.new_id(), "source": source, "type": f"no.entur.sales.{kind}"}
        event |= {"time": time_text(at), "datacontenttype": "application/json", "correlationid": correlation}
        return text(event | {"data": data})

    def binary(self, subject, source, kind, at, data, correlation):
        """A CloudEvent whose attributes are headers."""
        headers = {"ce-specversion": "1.0", "ce-id": self.new_id(), "ce-source": source, "ce-type": kind}
        headers |= {"ce-time": time_text(at), "ce-correlationid": correlation, "content-type": "application/json"}
        return text({"subject": subject, "headers": headers, "body": data})

    def domain_event(self, kind, at, data, correlation, channel):
        """The envelope of Entur's own topics."""
        meta = {"pos": f"{channel}Shop", "organisationId": ORGANISATIONS[channel]}
        event = {"type": kind, "event": {kind: data | {"meta": meta}}}
        return text(event | {"correlationId": correlation, "timestamp": time_text(at)})

    def written(self):
        """The day in the order of arrival."""
        return "".join(line + "\n" for _, _, line in sorted(self.lines, key=lambda entry: entry[:2]))


class Order:
    """An order on its way: each method lets something happen to it, `minutes` after the thing before."""

    def __init__(self, day, at, code=None, channel="App", customer=None):
        letters = (day.chance.pick(CODE_LETTERS) for _ in range(8))
        self.day, self.at, self.channel, self.customer = day, at, channel, customer
        self.code = code or "".join(letters)
        self.version, self.lines = 1, {}
        self.correlation = f"sale-{self.code}"
        created = {"organisationId": ORGANISATIONS[channel], "currency": "NOK"}
        created |= {"distributionChannelId": f"ENT:DistributionChannel:{channel}", "pos": f"{channel}Shop"}
        self.emit("OrderCreated", created | ({"customerId": customer} if customer else {}))

    def emit(self, kind, data, late_minutes=0, versioned=True):
        head = {"orderId": self.code} | ({"orderVersion": self.version} if versioned else {})
        data, day = head | data, self.day
        if kind == "TicketActivated" or (self.channel == "Machine" and kind != "OrderCreated"):
            source = "/validators/oslo" if kind == "TicketActivated" else "/machines/oslo-s"
            line = day.binary(f"orders.{self.code}", source, kind, self.at, data, self.correlation)
        elif self.channel == "Web":
            line = day.domain_event(kind, self.at, data, self.correlation, self.channel)
        else:
            line = day.structured("/sales/orders", kind, self.at, data, self.correlation)
        day.put(self.at + timedelta(minutes=late_minutes, seconds=1), line)
        self.at += timedelta(seconds=7)
        return self

    def wait(self, minutes):
        self.at += timedelta(minutes=minutes)
        return self

    def add(self, product, price=None, user="ADULT", customer=None, supplements=(), travellers=None, train=None,
            fulfilment=None, late_minutes=0):
        kind, name, usual = PRODUCTS[product]
        products = [{"id": product, "type": kind, "name": name}]
        for supplement in supplements:
            kind, name, _ = PRODUCTS[supplement]
            products.append({"id": supplement, "type": kind, "name": name, "main": False})
        line = {"orderLineId": f"{self.code}-{len(self.lines) + 1}", "orderLineVersion": 1, "fareProducts": products}
        line |= {"price": {"amount": price or f"{usual}.00", "currency": "NOK"}, "userType": user}
        if customer:
            line["customerId"] = customer
        if travellers:
            line["travellers"] = [{"userType": traveller} for traveller in travellers]
        start = self.at.replace(second=0) + timedelta(minutes=5)
        days = 30 if products[0]["type"] == "PERIOD" else 0
        line["validity"] = {"start": time_text(start), "end": time_text(start + timedelta(days=days, minutes=90))}
        if train:
            origin, destination, _, minutes = train
            line["travel"] = {"fromStopPlace": origin, "toStopPlace": destination, "departureTime": time_text(start)}
            line["validity"]["end"] = time_text(start + timedelta(minutes=minutes))
        elif products[0]["type"] == "SINGLE":
            stops = [self.day.chance.pick(STOPS) for _ in range(2)]
            line["travel"] = dict(zip(("fromStopPlace", "toStopPlace"), stops)) | {"zones": 1}
        if fulfilment:
            line["distributionDetails"] = fulfilment
        self.lines[line["orderLineId"]] = line
        return self.emit("OrderLineAdded", line, late_minutes)

    def line(self, number):
        return f"{self.code}-{number}"

    def change(self, number, **fields):
        line = self.lines[self.line(number)] | fields
        line["orderLineVersion"] += 1
        self.lines[line["orderLineId"]] = line
        return self.emit("OrderLineChanged", line)

    def open_again(self):
        self.version += 1
        return self

    def total(self):
        return f"{sum(float(line['price']['amount']) for line in self.lines.values()):.2f}"

    def pay(self, outcome="Captured"):
        payment = {"paymentTransactionId": f"PAY-{self.code}-{self.version}"}
        amount = {"amount": {"amount": self.total(), "currency": "NOK"}}
        return self.emit(f"PaymentTransaction{outcome}", payment | amount, versioned=False)

    def confirm(self, late_minutes=0):
        return self.emit("OrderConfirmed", {}, late_minutes)

    def confirm_some(self, *numbers):
        return self.emit("OrderPartiallyConfirmed", {"orderLineIds": [self.line(number) for number in numbers]})

    def reset(self):
        return self.emit("OrderReset", {})

    def cancel(self):
        return self.emit("OrderCancelled", {})

    def cancel_line(self, number, **more):
        version = self.lines[self.line(number)]["orderLineVersion"]
        return self.emit("OrderLineCancelled", {"orderLineId": self.line(number), "orderLineVersion": version} | more)

    def refund(self, number, amount, late_minutes=0):
        version = self.lines[self.line(number)]["orderLineVersion"]
        refund = {"refund": {"amount": amount, "currency": "NOK"}}
        line = {"orderLineId": self.line(number), "orderLineVersion": version}
        return self.emit("OrderLineRefunded", line | refund, late_minutes)

    def replace(self, originals, replacements):
        lines = {"originalOrderLineIds": [self.line(number) for number in originals]}
        lines |= {"replacedByOrderLineIds": [self.line(number) for number in replacements]}
        return self.emit("OrderLinesReplaced", {"replacements": [lines]})

    def activate(self, number=1, late_minutes=0):
        activated = {"orderLineId": self.line(number), "activatedAt": time_text(self.at)}
        return self.emit("TicketActivated", activated, late_minutes, versioned=False)


def text(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def time_text(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def broken_messages(day):
    """What no farelog can read. Each becomes a dead letter, but for the last, which is kept and has no effect."""
    def put(minutes, subject, headers=None, **body):
        day.put(DAY + timedelta(minutes=minutes), text({"subject": subject, "headers": headers or {}} | body))

    put(431, "orders.BROKEN01", body='{"specversion":"1.0","id":"cut-off","source":"/sales/orders","type":"Order')
    put(498, "orders.BROKEN02", body={"event": {"OrderConfirmed": {"orderId": "BROKEN02", "orderVersion": 1}}})
    put(562, "orders.BROKEN03", bodyBase64=base64.b64encode(b"\xff\xfe\x00order").decode("ascii"))
    number_for_amount = {"orderId": "BROKEN04", "orderVersion": 1, "orderLineId": "BROKEN04-1", "orderLineVersion": 1,
                         "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
                         "price": {"amount": 42.0, "currency": "NOK"}}
    headers = {"ce-specversion": "1.0", "ce-id": "broken-4", "ce-source": "/machines/oslo-s", "ce-type": "OrderLineAdded"}
    put(617, "orders.BROKEN04", headers, body=number_for_amount)
    own = {"programId": 11, "orderId": "BROKEN05", "orderLineId": "BROKEN05-1", "customerId": "2000001", "memberId": 1}
    headers = headers | {"ce-id": "broken-5", "ce-type": "DeferredRegistrationAccepted"}
    put(655, "orders.BROKEN05", headers, body=own)
    stranger = {"programReference": "no-such-program", "customerId": "2000001"}
    at = DAY + timedelta(minutes=700)
    day.put(at, day.structured("/crm", "MemberEnrolled", at, stranger, "crm-lost"))
    note = {"orderId": "PUNKTLIG", "note": "Kunden ringte om kvittering"}
    at = DAY + timedelta(minutes=1130)
    day.put(at, day.structured("/crm", "OrderAnnotated", at, note, "crm-note"))


def main():
    day = Day()
    told_stories(day, DAY, PRODUCTS, TRAINS, USERS)
    broken_messages(day)
    made = day.written()
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text(encoding="utf-8") != made:
            sys.exit("samples/day.ndjson is not what samples/generate.py makes; run: python3 samples/generate.py > samples/day.ndjson")
    elif sys.argv[1:]:
        sys.exit("usage: python3 samples/generate.py [--check]")
    else:
        sys.stdout.buffer.write(made.encode("utf-8"))


if __name__ == "__main__":
    main()
