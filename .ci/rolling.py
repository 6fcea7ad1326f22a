"""The callers of a rolling restart: gRPC's own client, whose service config is all that repeats a call.

    rolling.py <service config> <URL of the sandbox> <address>...

TOKEN is the bearer token; the stubs are on PYTHONPATH. Callers create and read at a steady rate, and streams
follow refunds to their end, resumed by their tokens, until standard input ends. Then every fault is told at
once: a call that failed, a stream that was cut or missed or repeated a status, a refund that was acknowledged
and has not exactly one effect at the provider.
"""

import collections
import json
import os
import pathlib
import queue
import random
import sys
import threading
import time
import urllib.request

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from refunds.v1 import money_pb2, refund_pb2, refund_service_pb2, refund_service_pb2_grpc

CALLERS = 4
CALLS_PER_S = 5
FOLLOWERS = 8
# Refunds that are held back, so that their streams outlive several replicas: one more each so many seconds.
HELD_BACK = 6
HELD_BACK_EVERY_S = 5
# An order of the sandbox by its beginning: ordinary, answered late, taken and never answered.
ORDINARY, LATE, NEVER = "1", "9942", "9941"
# How long after the restarts everything may take to come to its end.
PATIENCE_S = 60
# The rest of a stream that could not be opened: that is the caller's own business.
REST_S = 0.1
FINAL = {
    refund_pb2.Refund.STATE_SUCCEEDED,
    refund_pb2.Refund.STATE_PARTIALLY_SUCCEEDED,
    refund_pb2.Refund.STATE_FAILED,
    refund_pb2.Refund.STATE_CANCELED,
}

METADATA = (("authorization", f"Bearer {os.environ['TOKEN']}"),)


class Check:
    """What was done and what was wrong with it, over all threads."""

    def __init__(self, config, addresses):
        self.config, self.target = config, "ipv4:" + ",".join(addresses)
        self.stop = threading.Event()
        self.deadline = float("inf")
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.faults = []
        self.orders = {}
        self.followed = {}
        self.to_follow = queue.Queue()

    def stub(self):
        """A client with connections of its own."""
        options = [
            ("grpc.service_config", self.config),
            ("grpc.use_local_subchannel_pool", 1),
            # As by a name of a headless service: a list of addresses is no authority that a server takes.
            ("grpc.default_authority", "refunds-headless"),
        ]
        channel = grpc.insecure_channel(self.target, options=options)
        return refund_service_pb2_grpc.RefundServiceStub(channel)

    def end(self):
        """No more is created, and what is open has PATIENCE_S to come to its end."""
        self.deadline = time.monotonic() + PATIENCE_S
        self.stop.set()

    def patient(self):
        return time.monotonic() < self.deadline

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def fault(self, what):
        with self.lock:
            self.faults.append(what)

    def call(self, method, request):
        """One call as an application makes it: no deadline, no repeat. Its answer, or a fault."""
        self.count("calls")
        try:
            return method(request, metadata=METADATA)
        except grpc.RpcError as error:
            self.fault(f"a call failed: {error.code()} {error.details()}")
            return None


def create(check, stub, request_id, order_id, not_before=None):
    """Creates a refund; its id, if that was acknowledged."""
    amount = money_pb2.Money(currency_code="AUD", amount_minor=1000)
    request = refund_service_pb2.CreateRefundRequest(
        request_id=request_id,
        account="afterpay",
        payment=refund_pb2.Payment(order_id=order_id, amount=amount),
        not_before=not_before,
    )
    answer = check.call(stub.CreateRefund, request)
    if answer is None:
        return None
    refund_id = answer.refund.refund_id
    with check.lock:
        check.orders[refund_id] = order_id
    return refund_id


def calling(check, number):
    """Creates with request ids that count up, and reads what it created, at a steady rate."""
    stub, mine, due = check.stub(), [], time.monotonic()
    for count in range(1_000_000):
        if check.stop.is_set():
            return
        kind = {3: LATE, 7: NEVER}.get(count % 10, ORDINARY)
        refund_id = create(check, stub, f"c{number}-{count:06}", f"{kind}{number}{count:06}")
        if refund_id is not None:
            mine.append(refund_id)
            if kind != ORDINARY or count % 5 == 0:
                check.to_follow.put(refund_id)
        if mine:
            read = refund_service_pb2.GetRefundRequest(refund_id=random.choice(mine))
            check.call(stub.GetRefund, read)
        due += 1 / CALLS_PER_S
        time.sleep(max(0, due - time.monotonic()))


def draining(error):
    """Whether the service itself ended it, with its reason."""
    return error.code() == grpc.StatusCode.UNAVAILABLE and any(
        key == "grpc-status-details-bin" and b"DRAINING" in value for key, value in error.trailing_metadata()
    )


def follow(check, stub, refund_id):
    """Follows a refund to its end; whatever ends a stream before, the next one goes on from its token."""
    request = refund_service_pb2.StreamRefundStatusRequest(refund_id=refund_id)
    seen, state = None, None
    check.count("streams")
    while check.patient():
        told = False
        try:
            for message in stub.StreamRefundStatus(request, metadata=METADATA):
                if not check.patient():
                    break
                told = True
                request.resume_token = message.resume_token
                if message.HasField("snapshot"):
                    if seen is not None:
                        check.fault(f"{refund_id}: a snapshot after {seen}")
                    seen, state = message.snapshot.refund.sequence, message.snapshot.refund.state
                elif message.HasField("status"):
                    event = message.status.event
                    if seen is None or event.sequence != seen + 1:
                        check.fault(f"{refund_id}: {event.sequence} came after {seen}")
                    seen, state = event.sequence, event.state
                    check.count("statuses")
            if state not in FINAL:
                check.fault(f"{refund_id}: the stream ended in state {state}")
            with check.lock:
                check.followed[refund_id] = seen
            return
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                check.fault(f"{refund_id}: a stream ended: {error.code()} {error.details()}")
                return
            if draining(error):
                check.count("drained")
            elif told:
                check.fault(f"{refund_id}: a stream was cut: {error.details()}")
            else:
                check.count("not opened")
                time.sleep(REST_S)
            check.count("resumes")
    check.fault(f"{refund_id}: no time was left to follow it to its end")


def following(check):
    """Follows what callers hand over, one after the other, up to the mark of the end."""
    stub = check.stub()
    while (refund_id := check.to_follow.get()) is not None:
        follow(check, stub, refund_id)


def holding_back(check, number):
    """Follows a refund that may not be sent for a while."""
    stub, not_before = check.stub(), Timestamp()
    not_before.FromSeconds(int(time.time()) + HELD_BACK_EVERY_S * (number + 1))
    refund_id = create(check, stub, f"h{number}", f"{ORDINARY}9{number:06}", not_before)
    if refund_id is not None:
        follow(check, stub, refund_id)


def check_ends(check):
    """Every refund that was acknowledged has succeeded, by the states that its stream told."""
    stub = check.stub()
    for refund_id in check.orders:
        while True:
            view = refund_service_pb2.REFUND_VIEW_FULL
            request = refund_service_pb2.GetRefundRequest(refund_id=refund_id, view=view)
            answer = check.call(stub.GetRefund, request)
            if answer is None or answer.refund.state in FINAL or not check.patient():
                break
            time.sleep(REST_S)
        if answer is None:
            continue
        if answer.refund.state != refund_pb2.Refund.STATE_SUCCEEDED:
            check.fault(f"{refund_id} is {refund_pb2.Refund.State.Name(answer.refund.state)}")
        sequences = [event.sequence for event in answer.events]
        if sequences != list(range(1, len(sequences) + 1)):
            check.fault(f"{refund_id}: its history is {sequences}")
        if check.followed.get(refund_id, sequences[-1]) != sequences[-1]:
            check.fault(f"{refund_id}: its stream ended at {check.followed[refund_id]} of {sequences[-1]}")


def check_effects(check, sandbox):
    """Each refund that was acknowledged has one effect at the provider, and nothing else has any."""
    with urllib.request.urlopen(f"{sandbox}/ledger", timeout=PATIENCE_S) as answer:
        effects = json.load(answer)["effects"]
    found = collections.Counter(effect["order_id"] for effect in effects)
    expected = collections.Counter(check.orders.values())
    for order_id in sorted((found | expected).keys()):
        if (found[order_id], expected[order_id]) != (1, 1):
            check.fault(f"order {order_id}: {found[order_id]} effects, {expected[order_id]} refunds")
    return len(effects)


def main(config, sandbox, *addresses):
    check = Check(pathlib.Path(config).read_text(encoding="utf-8"), addresses)
    holders = [threading.Thread(target=holding_back, args=(check, n)) for n in range(HELD_BACK)]
    callers = [threading.Thread(target=calling, args=(check, n)) for n in range(CALLERS)]
    followers = [threading.Thread(target=following, args=(check,)) for _ in range(FOLLOWERS)]
    for thread in holders + callers + followers:
        thread.start()
    sys.stdin.read()
    check.end()
    for thread in callers + holders:
        thread.join()
    for _ in followers:
        check.to_follow.put(None)
    for thread in followers:
        thread.join()
    check_ends(check)
    effects = check_effects(check, sandbox)
    counts = check.counts
    for needed in ("statuses", "drained"):
        if counts[needed] == 0:
            check.fault(f"nothing was checked: no {needed}")
    print(
        f"{counts['calls']} calls, {len(check.faults)} faults; {len(check.orders)} refunds,"
        f" {effects} effects; {counts['streams']} streams told {counts['statuses']} statuses over"
        f" {counts['resumes']} resumes, {counts['drained']} of them after a drain"
    )
    for fault in check.faults[:50]:
        print(fault, file=sys.stderr)
    sys.exit(1 if check.faults else 0)


main(*sys.argv[1:])
