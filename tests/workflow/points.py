"""Where a fault can fall between two effects of a function: before or after each AWS call that has or decides one."""

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
POINTS = [
    (function, kind, operation, nth, side)
    for function, calls in CALLS.items()
    for operation, nth in calls
    for kind, side in (("exit", "before"), ("exit", "after"), ("unavailable", "before"))
]
