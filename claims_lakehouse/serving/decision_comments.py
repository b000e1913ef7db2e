"""What readers are told of the columns of decisions, adjustments and the log of claims."""

from __future__ import annotations

_CODES = {
    "group_code": "Whose the amount is: CO the provider's by contract, PR the patient's, OA other, PI the payer's.",
    "carc": "Claim adjustment reason code (X12 external code list 139).",
    "rarc": "Remittance advice remark code (X12 external code list 411), where the reason asks for one.",
}
_DECIDED = {
    "claim_version": "Which statement of the claim is decided, counted from 1: each accepted change is one.",
    "decision": "approved, partial, denied or pending (FHIR R5 claim-decision).",
    "charge": "What the provider asks, US dollars.",
    "allowed": "What the plan allows of it, US dollars.",
    "paid": "What the plan pays, US dollars.",
    "patient_share": "What is left to the patient, US dollars.",
    "rule": "The rule, limit or person (reviewed) by which not all is paid; NULL where none speaks.",
    "evidence": "What the rule rests on: another line, an exclusion, a day. May be a patient's data.",
    "pending_for": "The rules for which the line waits for a person.",
    "rule_set": "The rule set by which it was decided: the hash of its file.",
    "decided_on": "The received day that made the decision what it is.",
    "decided_at": "When it was decided, UTC: a time of processing.",
}
DECISION_COLUMNS: dict[str, dict[str, str]] = {
    "decision": _DECIDED,
    "decision_history": _DECIDED
    | {
        "decision": "approved, partial, denied or pending; NULL where the line was taken back.",
        "taken_back_by": "The claim that replaces or voids the line's claim.",
        "decision_before": "What was decided until then; NULL where nothing was.",
        "paid_before": "What was paid by that, US dollars.",
        "patient_share_before": "What was left to the patient by that, US dollars.",
        "because": "Why the decision changed.",
        "delivery": "Key of the delivery that the line came with.",
        "reference_versions": "Surrogate keys of the versions that the decision rests on.",
        "act_id": "The last thing that a person said to the line.",
        "is_current": "Whether it is the last there is of the line.",
    },
    "claim_decision": _DECIDED
    | {
        "decision": "What the lines are; partial where they differ, pending where one waits.",
        "lines": "How many lines are decided.",
        "decided_on": "The last received day that changed a line's decision.",
        "decided_at": "When a line was decided last, UTC: a time of processing.",
    },
    "adjustment": _CODES
    | {
        "claim_version": _DECIDED["claim_version"],
        "amount": "The amount, US dollars.",
        "reason": "Why, in a sentence for the member.",
        "rule": "The rule or limit that took it.",
        "appeal": "What an appeal needs; NULL where the amount is no denial.",
    },
    "claim_event": {
        "claim_version": "The statement of the claim that was decided.",
        "day": "The received day, or the day on which a person decided.",
        "step": "The order of the events of one day; all that people said is one step, in the order of happened_at.",
        "event": "received, verified, decided, pended, released, appealed, reversed, replaced or voided. reversed: "
        "what was decided before holds no more, told to a payee or not; remittance has what payees were told.",
        "decision": "What was decided; of a reversal, what was decided before.",
        "detail": "Why, or what was found. May name a patient where a person gave the reason.",
        "charge": _DECIDED["charge"],
        "paid": "What the plan pays, US dollars; of a reversal, what it had paid, negative.",
        "rule_set": _DECIDED["rule_set"],
        "reference_versions": "Surrogate keys of the versions that the decision rests on.",
        "who": "Who decided; NULL where nobody did.",
        "happened_at": "When, UTC; of decisions, when they were processed.",
    },
    "remittance": {
        "day": "The payment day.",
        "payee": "Who is paid: the National Provider Identifier of who bills, or of who gave the service.",
        "status": "processed, denied or reversal (CLP02: 1, 4, 22).",
        "told_on": "The payment day on which what is told here, or reversed, was told first.",
        "charge": "What was asked, US dollars; of a reversal, negative.",
        "paid": "What is paid, US dollars; of a reversal, negative.",
        "patient_share": "What is left to the patient, US dollars; of a reversal, negative.",
        "lines": "How many lines the claim has there.",
        "trace": "The trace number of the payment (TRN02), the same in the bank file.",
        "is_sent": "Whether the day's files were sent: it is closed.",
    },
    "payment": {
        "day": "The payment day.",
        "payee": "Who is paid: a National Provider Identifier.",
        "trace": "The trace number of the payment (TRN02), the same in the bank file.",
        "claims": "How many claims are told.",
        "reversals": "How many are taken back.",
        "net": "What these come to, US dollars.",
        "balance_taken": "What earlier reversals left to be taken, US dollars.",
        "balance_forwarded": "What goes forward to the payee's next remittance, US dollars.",
        "paid": "What is paid, US dollars: net less the balance taken, plus the balance forwarded.",
        "is_sent": "Whether the day's files were sent: it is closed.",
    },
}
