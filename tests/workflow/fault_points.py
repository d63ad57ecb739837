"""Where a fault can fall between two effects of a function: before or after each AWS call that has or decides one.

A point is (function, kind of fault, AWS operation, its nth call, "before" or "after"); faulty.py has the kinds.
"""

# function → the AWS calls of one successful run that have an effect or decide one: (operation, which of them).
CALLS = {
    "trigger": [
        ("PutItem", 1),  # the lease
        ("HeadObject", 1),
        ("PutItem", 2),  # the lease, for the run
        ("PutItem", 3),  # the record
        ("StartExecution", 1),
        ("HeadObject", 2),
        ("DeleteItem", 1),  # the lease
    ],
    "validate": [("GetObject", 1)],
    "resize": [("PutObject", 1)],
    "filters": [("PutObject", 1)],
    "optimize": [
        ("PutObject", 1),
        ("PutObject", 7),
        ("PutObject", 14),  # the manifest
        ("DeleteObjects", 1),
    ],
    "notify": [("Publish", 1), ("UpdateItem", 1)],
}
# Further ways to end or to be refused, where they differ.
FURTHER = [
    ("trigger", "exit", "GetItem", 2, "after"),  # while it waits for its run
    ("trigger", "unavailable", "GetItem", 2, "before"),
    ("trigger", "unavailable", "GetObject", 1, "before"),  # the manifest that stands
    ("trigger", "abort", "StartExecution", 1, "after"),  # somebody stops the execution
    ("trigger", "throttled", "PutItem", 1, "before"),
    ("trigger", "throttled", "PutItem", 3, "before"),
    ("notify", "throttled", "GetItem", 1, "before"),
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
