"""The features that every contender computes: those of the Handbook (Le Borgne et al., 2022, chapter 3)."""

HANDBOOK = {
    "units": {"amount": 100},
    "timezone": "UTC",
    "calendar": ["is_weekend", "is_night"],
    "windows": [
        {"entity": "customer_id", "lengths": ["1d", "7d", "30d"], "lag": "0d",
         "aggregates": [{"aggregate": "count"}, {"aggregate": "mean", "column": "amount"}]},
        {"entity": "terminal_id", "lengths": ["1d", "7d", "30d"], "lag": "7d",
         "aggregates": [{"aggregate": "count"}, {"aggregate": "rate", "column": "is_fraud"}]},
    ],
    "attributes": [],
    "distances": [],
    "speeds": [],
    "inputs": [],
    "fill": 0.0,
} # the features section of params.yaml

DAYS = (1, 7, 30)
LAG = 7 # days
