#!/usr/bin/env python3
"""What a ValidatingAdmissionPolicy says of requests, with its expressions evaluated by Google's CEL.

    admission.py <INPUT >OUTPUT

INPUT is JSON: `policy`, the spec of the policy, and `requests`, each with `request`, `object` and `oldObject` as an API server gives
them to the policy. OUTPUT is a JSON list with an entry for each request: null where the policy is not about it, and otherwise the
messages of what refuses it. As with an API server, an expression that fails refuses, because `failurePolicy` is `Fail`.
"""

import json
import sys

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional

NAMES = ("request", "object", "oldObject", "variables")


def main() -> int:
    given = json.load(sys.stdin)
    policy = Policy(given["policy"])
    json.dump([policy.answer(request) for request in given["requests"]], sys.stdout)
    return 0


class Policy:
    def __init__(self, spec: dict):
        # Types are checked at run time, as an API server does where it does not know them.
        environment = cel.NewEnv(variables={name: cel.Type.DYN for name in NAMES}, extensions=[ext_optional.ExtOptional()])
        self.conditions = [environment.compile(it["expression"]) for it in spec.get("matchConditions", [])]
        self.variables = [(it["name"], environment.compile(it["expression"])) for it in spec.get("variables", [])]
        self.validations = [(it["message"], environment.compile(it["expression"])) for it in spec["validations"]]

    def answer(self, given: dict) -> list[str] | None:
        known = {"request": given["request"], "object": given.get("object"), "oldObject": given.get("oldObject"), "variables": {}}
        if not all(is_true(condition, known) for condition in self.conditions):
            return None
        for name, expression in self.variables:
            known["variables"][name] = expression.eval(data=known).plain_value()
        return [message for message, expression in self.validations if not is_true(expression, known)]


def is_true(expression, known: dict) -> bool:
    return expression.eval(data=known).plain_value() is True


if __name__ == "__main__":
    sys.exit(main())
