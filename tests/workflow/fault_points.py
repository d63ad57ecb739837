"""The points at which a fault can happen: before and after each AWS call that has or decides an effect.

A point is (function, kind of fault, AWS operation, its nth call, "before" or "after"); faulty.py has the kinds.
"""

# function → the AWS calls of a successful run that have or decide an effect: (operation, its nth call).
CALLS = {
    "trigger": [
        ("PutItem", 1),  # the lease
        ("HeadObject", 1),
        ("GetItem", 1),  # the record
        ("PutItem", 2),  # the lease, for the run
        ("PutItem", 3),  # the record
        ("StartExecution", 1),
        ("DeleteItem", 1),  # the lease
    ],
    "validate": [("GetObject", 1)],
    "resize": [("PutObject", 1)],
    "filters": [("PutObject", 1)],
    "optimize": [
        ("GetItem", 1),  # whose job it is
        ("PutObject", 1),
        ("PutObject", 7),
        ("PutObject", 14),  # the manifest
        ("DeleteObjects", 1),  # of the intermediates
    ],
    "notify": [("Publish", 1), ("UpdateItem", 1)],
}
# Other faults, where they have another effect.
FURTHER = [
    ("trigger", "exit", "GetItem", 2, "after"),  # while it waits for its run
    ("trigger", "unavailable", "GetItem", 2, "before"),
    ("trigger", "unavailable", "GetObject", 1, "before"),  # the manifest
    ("trigger", "abort", "StartExecution", 1, "after"),  # an operator stops the execution
    # Throttling, of each call of DynamoDB and of Step Functions.
    ("trigger", "slowed", "StartExecution", 1, "before"),
    ("trigger", "limited", "StartExecution", 1, "before"),
    ("trigger", "throttled", "PutItem", 1, "before"),  # the lease
    ("trigger", "throttled", "GetItem", 1, "before"),  # the record
    ("trigger", "throttled", "PutItem", 2, "before"),  # the lease, for the run
    ("trigger", "throttled", "PutItem", 3, "before"),  # the record
    ("trigger", "throttled", "GetItem", 2, "before"),  # while it waits for its run
    ("trigger", "throttled", "DeleteItem", 1, "before"),  # the lease
    ("optimize", "throttled", "GetItem", 1, "before"),
    ("optimize", "unavailable", "GetObject", 1, "before"),  # the manifest
    ("notify", "throttled", "GetItem", 1, "before"),
    ("notify", "unavailable", "GetObject", 1, "before"),  # the manifest
    ("notify", "throttled", "UpdateItem", 1, "before"),
    ("validate", "kill", "GetObject", 1, "after"),
    ("optimize", "kill", "PutObject", 7, "after"),
    ("notify", "kill", "Publish", 1, "after"),
    ("resize", "timeout", "PutObject", 1, "before"),
    ("optimize", "timeout", "PutObject", 14, "after"),
    ("notify", "timeout", "UpdateItem", 1, "before"),
]
POINTS = [
    *(
        (function, kind, operation, nth, side)
        for function, calls in CALLS.items()
        for operation, nth in calls
        for kind, side in (("exit", "before"), ("exit", "after"), ("unavailable", "before"))
    ),
    *FURTHER,
]
