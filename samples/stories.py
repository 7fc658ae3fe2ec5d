"""The stories of the sample day: who is a member, what a few named customers do, and what the crowd does.

The named orders are the ones that `make demo` and the README show. Each is named after what happens to it.
"""

import json
from datetime import timedelta

ANNA = "2000001"  # member of points-per-krone and of thirty-days-back since long
KARI = "2000002"  # travels before she becomes a member
OLA = "2000003"   # member of points-per-product, leaves at noon
CROWD = [str(1000100 + number) for number in range(150)]
POINTS_PER_KRONE, POINTS_PER_PRODUCT, THIRTY_DAYS_BACK, ACTIVATED = 11, 12, 13, 14


def told_stories(day, midnight, products, trains, users):
    """Tells all of them into `day`."""
    at = lambda hour, minute=0: midnight + timedelta(hours=hour, minutes=minute)
    members(day, at)
    named_customers(day, at, trains)
    crowd = Crowd(day, at, products, trains, users)
    crowd.travel()
    repeats_and_conflicts(day, at)


def members(day, at):
    def tell(when, kind, program, customer, **more):
        event = program | {"customerId": customer} | more
        day.put(when, day.structured("/crm/members", kind, when, event, f"crm-{customer}"))

    by_id = lambda program: {"programId": program}
    early = at(3)
    tell(early, "MemberEnrolled", by_id(POINTS_PER_KRONE), ANNA, externalReference="R-500101", organisationId=1)
    tell(early, "MemberEnrolled", by_id(THIRTY_DAYS_BACK), ANNA, organisationId=1)
    tell(early, "MemberEnrolled", by_id(POINTS_PER_PRODUCT), OLA, organisationId=2)
    for number, customer in enumerate(CROWD):
        for program, every in ((POINTS_PER_KRONE, 2), (POINTS_PER_PRODUCT, 3), (THIRTY_DAYS_BACK, 5), (ACTIVATED, 7)):
            if number % every == 0:
                more = {"metadata": {"level": day.chance.pick(["BLUE", "SILVER", "GOLD"])}} if every == 2 else {}
                tell(early, "MemberEnrolled", by_id(program), customer, organisationId=1, **more)
    tell(at(11), "MemberUpdated", by_id(POINTS_PER_KRONE), CROWD[4], metadata={"level": "GOLD"})
    tell(at(12), "MemberWithdrawn", by_id(POINTS_PER_PRODUCT), OLA)
    for customer in CROWD[30:36:3]:
        tell(at(14), "MemberWithdrawn", by_id(POINTS_PER_PRODUCT), customer)
    tell(at(15), "MemberEnrolled", by_id(POINTS_PER_PRODUCT), CROWD[30])


def named_customers(day, at, trains):
    adult, child = "ENT:PreassignedFareProduct:AdultSingle", "ENT:PreassignedFareProduct:ChildSingle"
    senior = "ENT:PreassignedFareProduct:SeniorSingle"
    bergen, trondheim, _, _ = trains

    # A point per ten kroner: 399.00 gives 39, and 29 after 100.00 is paid back.
    day.order(at(5, 40), "BERGEN01", customer=ANNA).add(adult, "399.00", train=bergen).pay().confirm() \
        .wait(55).activate().wait(500).refund(1, "100.00")
    # Bought as a guest of the app: the line's customer is known, but no member yet.
    day.order(at(6, 10), "TRONDHM2", customer=KARI).add(adult, "549.00", train=trondheim).pay().confirm() \
        .wait(70).activate()
    # Bought at a machine: nobody's, until somebody registers it.
    day.order(at(7, 5), "NOBODY03", channel="Machine").add(adult, "42.00").pay().confirm().activate()
    # Cancelled before the train left.
    day.order(at(7, 30), "CANCEL04", customer=KARI).add(adult, "289.00", train=trains[2]).pay().confirm() \
        .wait(20).cancel_line(1)
    # A family: four travellers, a line each, and a bicycle that gets no ticket of its own.
    day.order(at(8, 15), "FAMILY05", channel="Web", customer=ANNA) \
        .add(adult, "499.00", train=trains[3], supplements=["ENT:SupplementProduct:SeatReservation"]) \
        .add(senior, "249.00", user="SENIOR", train=trains[3], customer=CROWD[2]) \
        .add(child, "249.00", user="CHILD", train=trains[3], supplements=["ENT:SupplementProduct:Bicycle"]) \
        .add(child, "0.00", user="CHILD", train=trains[3]).pay().confirm()
    # Exchanged for a later and dearer departure.
    day.order(at(9, 20), "EXCHNG06", customer=ANNA).add(adult, "289.00", train=trains[2]).pay().confirm() \
        .wait(150).open_again().add(adult, "329.00", train=trains[2]).replace([1], [2]).confirm()
    # Half of it confirmed, the rest dropped.
    day.order(at(10, 0), "PARTLY07", customer=ANNA).add(adult).add(adult).add(child, user="CHILD") \
        .confirm_some(1, 2).wait(4).reset()
    # Its confirmation overtakes its line on the way, and the refund overtakes both.
    day.order(at(10, 30), "LATE0008", customer=ANNA).add(adult, "399.00", train=bergen, late_minutes=95) \
        .confirm(late_minutes=60).wait(20).refund(1, "399.00")
    # Called customer service; their note is of a type that farelog does not know.
    day.order(at(11, 0), "PUNKTLIG", customer=OLA).add(adult).pay().confirm().activate()
    day.order(at(13, 0), "AFTEROLA", customer=OLA).add(adult).pay().confirm().activate()
    # Two tickets become one, and one becomes two.
    day.order(at(14, 0), "MERGE009", channel="Web", customer=CROWD[0]).add(adult, "42.00").add(adult, "42.00").pay() \
        .confirm().wait(30).open_again().add(adult, "78.00").replace([1, 2], [3]).confirm()
    day.order(at(14, 40), "SPLIT010", customer=CROWD[0]).add("ENT:PreassignedFareProduct:GroupSingle").pay().confirm() \
        .wait(30).open_again().add(adult, "168.00").add(adult, "168.00").replace([1], [2, 3]).confirm()


class Crowd:
    """Everybody else: some 290 orders between five in the morning and late at night."""

    def __init__(self, day, at, products, trains, users):
        self.day, self.at, self.products, self.trains, self.users = day, at, products, trains, users
        self.chance = day.chance

    def travel(self):
        kinds = [(self.single, 122), (self.period, 38), (self.group, 24), (self.train, 30), (self.carnet, 8),
                 (self.changed, 14), (self.partly, 8), (self.dropped, 8), (self.unpaid, 8), (self.cancelled, 10),
                 (self.refunded, 12), (self.exchanged, 8)]
        for tell, times in kinds:
            for _ in range(times):
                tell()

    def new_order(self, channel=None):
        """An order at a busy time more often than at a quiet one."""
        hour = self.chance.pick([4, 5, 6, 6, 6, 7, 7, 7, 8, 9, 10, 11, 12, 13, 14, 14, 15, 15, 16, 17, 18, 20, 21])
        channel = channel or self.chance.pick(["App", "App", "App", "Web", "Machine"])
        known = channel != "Machine" and self.chance.holds(88)
        customer = self.chance.pick(CROWD) if known else None
        return self.day.order(self.at(hour, self.chance.below(60)), channel=channel, customer=customer)

    def add_single(self, order, user=None, **more):
        user = user or self.chance.pick(self.users)
        product = f"ENT:PreassignedFareProduct:{user.capitalize()}Single"
        return order.add(product, user=user, late_minutes=25 if self.chance.holds(4) else 0, **more)

    def sold(self, order):
        return order.pay().confirm(late_minutes=40 if self.chance.holds(4) else 0)

    def single(self):
        order = self.sold(self.add_single(self.new_order()))
        if self.chance.holds(60):
            order.wait(1 + self.chance.below(20)).activate(late_minutes=180 if self.chance.holds(5) else 0)

    def period(self):
        user = self.chance.pick(["ADULT", "ADULT", "STUDENT", "SENIOR"])
        account = {"fulfillmentMethod": "ACCOUNT_BASED_TICKETING"}
        order = self.new_order(self.chance.pick(["App", "Web"]))
        if self.chance.holds(30):
            account["customerAccountRef"] = f"ABT:CustomerAccount:{700000 + self.chance.below(9000)}"
        order.add(f"ENT:PreassignedFareProduct:{user.capitalize()}Period30Days", user=user,
                  fulfilment=account if self.chance.holds(40) else None)
        self.sold(order).activate()

    def group(self):
        order = self.new_order()
        if self.chance.holds(40):
            travellers = ["ADULT"] * (2 + self.chance.below(3)) + ["CHILD"] * (6 + self.chance.below(20))
            order.add("ENT:PreassignedFareProduct:GroupSingle", travellers=travellers)
        else:
            for user in ["ADULT", "ADULT", "CHILD", "CHILD", "SENIOR"][:2 + self.chance.below(4)]:
                self.add_single(order, user, customer=self.chance.pick(CROWD) if self.chance.holds(25) else None)
        self.sold(order)

    def train(self):
        train = self.chance.pick(self.trains)
        abroad = {"fulfillmentMethod": self.chance.pick(["INTERNATIONAL", "BIFROST"])} if self.chance.holds(15) else None
        order = self.new_order(self.chance.pick(["App", "Web"]))
        if self.chance.holds(20):
            order.add("ENT:PreassignedFareProduct:NightTrainSleeper", train=train)
        else:
            order.add("ENT:PreassignedFareProduct:AdultSingle", train[2], train=train, fulfilment=abroad,
                      supplements=["ENT:SupplementProduct:SeatReservation"])
        self.sold(order).wait(45).activate()

    def carnet(self):
        self.sold(self.new_order("App").add("ENT:PreassignedFareProduct:Carnet10")).wait(3).activate()

    def changed(self):
        order = self.sold(self.add_single(self.new_order(), "ADULT")).wait(15).open_again()
        order.change(1, price={"amount": "63.00", "currency": "NOK"}).pay().confirm()

    def partly(self):
        order = self.new_order()
        for user in ("ADULT", "ADULT", "CHILD"):
            self.add_single(order, user)
        order.confirm_some(1, 3).wait(6).pay()
        order.confirm() if self.chance.holds(50) else order.reset()

    def dropped(self):
        order = self.sold(self.add_single(self.new_order())).wait(5).open_again()
        self.add_single(order).wait(10).reset()

    def unpaid(self):
        self.add_single(self.new_order("App")).pay(self.chance.pick(["Cancelled", "Rejected"]))

    def cancelled(self):
        order = self.add_single(self.add_single(self.new_order()))
        self.sold(order).wait(10)
        order.cancel() if self.chance.holds(50) else order.cancel_line(2)

    def refunded(self):
        train = self.chance.pick(self.trains)
        order = self.sold(self.new_order("Web").add("ENT:PreassignedFareProduct:AdultSingle", train[2], train=train))
        order.wait(90)
        if self.chance.holds(50):
            order.refund(1, train[2])
        else:
            order.refund(1, "75.00").wait(40).refund(1, "50.00", late_minutes=120)

    def exchanged(self):
        order = self.sold(self.add_single(self.new_order(), "ADULT")).wait(12).open_again()
        self.add_single(order, "ADULT").replace([1], [2]).confirm()


def repeats_and_conflicts(day, at):
    """A publisher that is not sure sends again; and three use an id twice for different things."""
    for _ in range(36):
        arrival, _, line = day.chance.pick(day.lines)
        day.put(arrival + timedelta(minutes=1 + day.chance.below(90)), line)
    structured = [entry for entry in day.lines if '"type":"no.entur.sales.OrderLineAdded"' in entry[2]]
    for _ in range(3):
        arrival, _, line = day.chance.pick(structured)
        event = json.loads(line)
        event["data"]["price"]["amount"] = "1.00"
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        day.put(arrival + timedelta(minutes=2 + day.chance.below(30)), line)
